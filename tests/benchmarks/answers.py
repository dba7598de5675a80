"""How long an answer takes from the click to OpenCode: milliseconds, over a real OpenCode where one is installed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from fakes import connection, until
from model_server import ModelServer
from opencode import NEWEST, OpenCode, installed
from tray.app.application import App
from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.commands import AnswerRequest, Surface
from tray.core.settings import ON_MACHINE, PORT
from tray.storage.settings_file import load_settings
from tray.storage.token import Token
from tray.system.paths import Paths
from tray_process import free_port

ANSWERS = 400
REAL_ANSWERS = 100
READING = 0.3  # s that a person takes at least; OpenCode has then done what comes with an ask
TOKEN = "benchmark"
ONCE = Permit(Verdict.ONCE)


async def app_in(folder: Path) -> App:
    """An app at work in this folder."""
    paths = Paths.inside(folder)
    flags = {PORT.key: free_port(), ON_MACHINE.key: False}
    made = App(paths, load_settings(paths.settings, {}, flags), flags, Token(TOKEN), notify=False)
    await made.start()
    return made


async def end(app: App) -> None:
    """Stop it."""
    app.stop()
    await app.run_until_stopped()


async def to_the_plugin(folder: Path) -> tuple[list[float], list[float]]:
    """Seconds from each click to the plugin's having the call; and, as the floor, from a frame sent to it received."""
    app = await app_in(folder)
    delays, floor = [], []
    async with connection(f"http://127.0.0.1:{app.port}/") as plugin:
        await plugin.authenticate(TOKEN)
        await plugin.send({"type": "snapshot", "sessions": [{"id": "ses_1"}], "permissions": []})
        server = app.status()["servers"][0]["id"]
        for number in range(ANSWERS):
            request = f"per_{number}"
            key = RequestKey(server, request)
            sent = time.perf_counter()
            await plugin.event("permission.asked", id=request, sessionID="ses_1", permission="bash")
            while app.request(key) is None:  # noqa: ASYNC110  # a poll that sleeps would be what is measured
                await asyncio.sleep(0)
            floor.append(time.perf_counter() - sent)
            clicked = time.perf_counter()
            # From the command line: elsewhere no two answers are taken within a second.
            answering = asyncio.create_task(app.execute(AnswerRequest(key, ONCE), Surface.COMMAND))
            call = await plugin.receive()
            delays.append(time.perf_counter() - clicked)
            await plugin.send({"id": call["id"], "result": {}})
            await plugin.event("permission.replied", sessionID="ses_1", requestID=request)
            await answering
    await end(app)
    return delays, floor


async def to_opencode(folder: Path) -> list[float] | None:
    """Seconds from each click to OpenCode's own word that it has it; None where none is installed."""
    if installed(NEWEST) is None:
        return None
    app = await app_in(folder)
    delays = []
    environment = {"OPENCODE_MONITOR_PORT": str(app.port), "OPENCODE_MONITOR_TOKEN": TOKEN}
    with ModelServer() as model, OpenCode(NEWEST, folder / "opencode", model.port, environment) as opencode:
        await asyncio.to_thread(opencode.serve)
        session = await asyncio.to_thread(opencode.session)
        for number in range(REAL_ANSWERS):
            command = {"command": f"echo {number}", "description": "d"}
            await asyncio.to_thread(opencode.prompt, session, {"calls": [[["bash", command]]], "words": 1})
            key = await _asked(app)
            await asyncio.sleep(READING)
            clicked = time.perf_counter()
            done = await app.execute(AnswerRequest(key, ONCE), Surface.COMMAND)
            delays.append(time.perf_counter() - clicked)
            assert done.ok, done.message
            await until(lambda: not app.status()["attention"]["busy"], 30)
    await end(app)
    return delays


async def _asked(app: App) -> RequestKey:
    def found() -> RequestKey | None:
        waiting = [(s["server"], r["id"]) for s in app.status()["sessions"] for r in s["requests"]]
        return RequestKey(*waiting[0]) if waiting else None

    key: RequestKey = await until(found, 30)
    return key
