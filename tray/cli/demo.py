"""`demo`: simulated sessions that connect as plugins do, to try the tray without OpenCode."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import tempfile
import threading
from pathlib import Path
from typing import Any, Literal, TypeAlias

import aiohttp

from tray.app.clock import milliseconds
from tray.cli import demo_frames
from tray.cli.client import Handshake, NotRunningError
from tray.cli.exit_codes import OK
from tray.cli.run import Program
from tray.core.handshake import Side
from tray.core.servers import DEMO
from tray.core.settings import ON_MACHINE, OTHER_AGENTS, PAGE_PORT, PORT
from tray.files.writing import write_privately
from tray.storage.endpoint import tray_address
from tray.storage.settings_file import load_settings
from tray.storage.token import Token, read_token, token_from_environment
from tray.system.paths import Paths

STEP = 4.0  # s between two simulated events

Socket: TypeAlias = "aiohttp.ClientWebSocketResponse[Literal[True]]"  # not generic at run time before aiohttp 3.13


def demo(options: argparse.Namespace) -> int:
    """Connect to the running tray, or start one with files of its own. Raises UserError."""
    paths = Paths.of(os.environ)
    if options.tray:
        address = str(tray_address(paths.endpoint, paths.settings, os.environ, options.port))
        token = token_from_environment(os.environ) or read_token(paths.token)
        try:
            asyncio.run(simulate(address, token or ""))
        except (aiohttp.ClientError, OSError, TypeError, ValueError) as error:  # TypeError: not a text frame
            raise NotRunningError(f"cannot connect to a tray at {address}: {error}") from error
        return OK
    with tempfile.TemporaryDirectory(prefix="opencode-tray-demo-") as folder:
        own = Paths.inside(Path(folder))
        token = secrets.token_hex(32)
        write_privately(own.token, token)
        flags = {PORT.key: options.port or 0, PAGE_PORT.key: 0, ON_MACHINE.key: False, OTHER_AGENTS.key: False}
        program = Program(
            own,
            load_settings(own.settings, {}, flags),
            flags,
            Token(token, own.token),
            headless=options.headless,
            notify=True,
        )
        print("Showing simulated sessions; your own sessions and files are not used. Quit in the menu or with Ctrl-C.")
        threading.Thread(target=_feed, args=(program, own, token), name="demo", daemon=True).start()
        return program.run()


def _feed(program: Program, own: Paths, token: str) -> None:
    port = program.wait_until_listening()
    if port:
        print(f"To see them in another terminal: OPENCODE_TRAY_TOKEN_FILE={own.token} opencode-tray watch", flush=True)
        asyncio.run(simulate(f"127.0.0.1:{port}", token))


async def simulate(address: str, token: str) -> None:
    """Simulate the sessions until the tray disconnects. Raises NotRunningError, aiohttp.ClientError, OSError."""
    async with aiohttp.ClientSession() as session:
        sockets: dict[str, Socket] = {}
        for name, branch in demo_frames.PROJECTS:
            socket_ = await session.ws_connect(f"http://{address}/")
            hello = {
                "serverName": name,
                "directory": f"/home/dev/{name}",
                "branch": branch,
                "hostname": "demo",
                "opencode": "1.18.33",
                "plugin": DEMO,
                "place": {"terminal": "demo"},
            }
            await _authenticate(socket_, Handshake(token, address, Side.PLUGIN, **hello))
            sockets[name] = socket_
        for name, socket_ in sockets.items():
            await socket_.send_json(demo_frames.snapshot(name, milliseconds()))
        for name, frame in demo_frames.first_events(milliseconds()):
            await sockets[name].send_json(frame)
        answering = [asyncio.create_task(_answer_calls(socket_), name="demo") for socket_ in sockets.values()]
        try:
            for name, frame in demo_frames.events(milliseconds):
                await asyncio.sleep(STEP)
                if sockets[name].closed:
                    return
                await sockets[name].send_json(frame)
        finally:
            for task in answering:
                task.cancel()


async def _authenticate(socket_: Socket, handshake: Handshake) -> None:
    await socket_.send_json(handshake.hello)
    await socket_.send_json(handshake.auth(await socket_.receive_json()))
    handshake.finish(await socket_.receive_json())


async def _answer_calls(socket_: Socket) -> None:
    """Answer calls as OpenCode would, until the socket closes."""
    async for message in socket_:
        call = message.json()
        params = call.get("params") or {}
        result: Any = [] if call["method"] in demo_frames.READ_METHODS else {"id": "ses_fork"}
        await socket_.send_json({"id": call["id"], "result": result})
        for frame in demo_frames.effects(call["method"], params):
            await socket_.send_json(frame)
