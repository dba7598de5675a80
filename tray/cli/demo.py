"""`demo`: simulated sessions that connect as plugins do, to try the tray without OpenCode."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import tempfile
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Literal

import aiohttp

from tray.app import now
from tray.cli.client import Handshake, NotRunningError
from tray.cli.exit_codes import OK
from tray.cli.run import Program
from tray.core.handshake import Side
from tray.core.settings import ON_MACHINE, PORT
from tray.storage.endpoint import tray_address
from tray.storage.files import write_privately
from tray.storage.settings_file import load_settings
from tray.storage.token import Token, given_token, read_token
from tray.system.paths import Paths

STEP = 4.0  # s between two simulated events

Frame = dict[str, Any] | list[Any]
Socket = aiohttp.ClientWebSocketResponse[Literal[True]]


def demo(options: argparse.Namespace) -> int:
    """Connect to the running tray, or start one with files of its own. Raises UserError."""
    paths = Paths.of(os.environ)
    if options.tray:
        address = str(tray_address(paths.endpoint, paths.settings, os.environ, options.port))
        token = given_token(os.environ) or read_token(paths.token)
        try:
            asyncio.run(simulate(address, token or ""))
        except (aiohttp.ClientError, OSError, TypeError, ValueError) as error:  # TypeError: not a text frame
            raise NotRunningError(f"cannot connect to a tray at {address}: {error}") from error
        return OK
    with tempfile.TemporaryDirectory(prefix="opencode-tray-demo-") as folder:
        own = Paths.inside(Path(folder))
        token = secrets.token_hex(32)
        write_privately(own.token, token)
        flags = {PORT.key: options.port or 0, ON_MACHINE.key: False}
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
        for name, branch in PROJECTS:
            socket_ = await session.ws_connect(f"http://{address}/")
            hello = {
                "serverName": name,
                "directory": f"/home/dev/{name}",
                "branch": branch,
                "hostname": "demo",
                "opencode": "1.18.33",
                "plugin": "demo",
                "place": {"terminal": "demo"},
            }
            await _authenticate(socket_, Handshake(token, address, Side.PLUGIN, **hello))
            sockets[name] = socket_
        for name, socket_ in sockets.items():
            await socket_.send_json(_snapshot(name))
        for name, frame in _opening(now()):
            await sockets[name].send_json(frame)
        answering = [asyncio.create_task(_answer_calls(socket_), name="demo") for socket_ in sockets.values()]
        try:
            for name, frame in _events():
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
        result: Any = [] if call["method"] in READ_METHODS else {"id": "ses_fork"}
        await socket_.send_json({"id": call["id"], "result": result})
        for frame in _effects(call["method"], params):
            await socket_.send_json(frame)


READ_METHODS = ("session.messages", "session.todo", "session.diff")


def _effects(method: str, params: dict[str, Any]) -> Iterator[Frame]:
    """Yield the events that follow a call."""
    session, request = params.get("sessionID"), params.get("requestID")
    match method:
        case "permission.reply":
            yield _event("permission.replied", sessionID=session, requestID=request, reply=params.get("reply"))
        case "question.reply":
            yield _event("question.replied", sessionID="ses_k8s", requestID=request)
        case "question.reject":
            yield _event("question.rejected", sessionID="ses_k8s", requestID=request)
        case "session.abort":
            yield _event("session.error", sessionID=session, error={"name": "MessageAbortedError"})
            yield _status(str(session), "idle")
        case "session.prompt":
            yield _status(str(session), "busy")
        case "session.delete":
            yield _event("session.deleted", info={"id": session})
        case "session.update":
            archived = {"time": {"archived": params.get("archived")}}
            changes = {"title": params["title"]} if "title" in params else archived
            yield _event("session.updated", info={"id": session, **changes})


PROJECTS = (("shop-api", "feature/refunds"), ("shop-web", "main"), ("infra", "upgrade-k8s"))
SESSIONS = (
    # project, id, parent, title, status
    ("shop-api", "ses_refund", None, "Refund flow with partial captures", {"type": "busy"}),
    ("shop-api", "ses_review", "ses_refund", "Review the migration (@review subagent)", {"type": "busy"}),
    ("shop-api", "ses_flaky", None, "Find out why checkout tests are flaky", {"type": "busy"}),
    ("shop-web", "ses_dark", None, "Dark mode for the settings page", {"type": "busy"}),
    ("shop-web", "ses_a11y", None, "Keyboard access in the date picker", {"type": "idle"}),
    ("infra", "ses_k8s", None, "Upgrade the cluster to 1.33", {"type": "busy"}),
    ("infra", "ses_cost", None, "Where did last month's bill come from?", {"type": "idle"}),
)
MODEL = "claude-demo"


def _snapshot(project: str) -> Frame:
    at = now()
    sessions = [session for session in SESSIONS if session[0] == project]
    return {
        "type": "snapshot",
        "sessions": [
            {
                "id": name,
                **({"parentID": parent} if parent else {}),
                "title": title,
                "directory": f"/home/dev/{project}",
                "agent": "build",
                "model": {"id": MODEL, "providerID": "demo"},
                "cost": 0.12 * number,
                "tokens": {"input": 21_000 * number, "output": 900 * number, "reasoning": 0, "cache": {"read": 9_000}},
                "time": {"created": at - 3_600_000 * number, "updated": at - 60_000 * number},
                "digest": {
                    "messages": 6 * number,
                    "last": {
                        "id": f"msg_{number}",
                        "role": "assistant",
                        "tokens": {"input": 30_000 * number, "output": 800},
                    },
                    "output": "Running the tests again with the new fixture.",
                },
            }
            for number, (_, name, parent, title, _) in enumerate(sessions, 1)
        ],
        "status": {name: status for _, name, _, _, status in sessions if status["type"] != "idle"},
        "permissions": [],
        "questions": [],
        "todos": {
            sessions[0][1]: [{"content": "Write the test first", "status": "completed"}, {"content": "Make it pass"}]
        },
        "limits": {f"demo/{MODEL}": 200_000},
    }


def _opening(at: int) -> Iterator[tuple[str, Frame]]:
    """Yield the events that bring a session into each state. `at`: now, in ms."""
    message = {"id": "msg_900", "role": "assistant", "finish": "stop", "time": {"completed": at}}
    yield "shop-web", _status("ses_a11y", "busy")
    yield "shop-web", _event("message.updated", info={**message, "sessionID": "ses_a11y"})
    yield "shop-web", _status("ses_a11y", "idle")
    error = {"name": "APIError", "data": {"message": "Your credit balance is too low"}}
    yield "infra", _event("session.error", sessionID="ses_cost", error=error)
    yield "shop-api", _event("message.part.updated", part=_tool("ses_refund", "edit"))
    retry = {"type": "retry", "attempt": 2, "message": "Overloaded", "next": at + 8_000}
    yield "shop-api", _event("session.status", sessionID="ses_flaky", status=retry)
    yield "shop-api", _ask("per_opening", at - 4 * 60_000)
    yield "infra", _question("que_opening")


def _events() -> Iterator[tuple[str, Frame]]:
    """Yield events in an endless loop: requests, answers, an error, finished turns."""
    yield "shop-api", _event("permission.replied", sessionID="ses_review", requestID="per_opening", reply="once")
    yield "infra", _event("question.replied", sessionID="ses_k8s", requestID="que_opening")
    for round_ in count():
        message = {"id": f"msg_{1000 + round_}", "role": "assistant", "finish": "stop", "time": {"completed": 1}}
        error = {"name": "APIError", "data": {"message": "The provider is overloaded"}}
        yield "shop-api", _ask(f"per_{round_}", now())
        yield "shop-web", _event("message.updated", info={**message, "sessionID": "ses_dark"})
        yield "shop-web", _status("ses_dark", "idle")
        yield "infra", _question(f"que_{round_}")
        yield "shop-api", _event("permission.replied", sessionID="ses_review", requestID=f"per_{round_}", reply="once")
        yield "shop-api", _event("session.error", sessionID="ses_flaky", error=error)
        yield "shop-api", _status("ses_flaky", "idle")
        yield "infra", _event("question.replied", sessionID="ses_k8s", requestID=f"que_{round_}")
        yield "shop-web", _status("ses_dark", "busy")
        yield "shop-api", _status("ses_flaky", "busy")


def _event(kind: str, **properties: Any) -> Frame:
    return [kind, properties]


def _status(session: str, kind: str) -> Frame:
    return _event("session.status", sessionID=session, status={"type": kind})


def _tool(session: str, tool: str) -> dict[str, Any]:
    return {"sessionID": session, "type": "tool", "tool": tool, "state": {"status": "running"}}


def _ask(request: str, at: int) -> Frame:
    return _event(
        "permission.asked",
        id=request,
        sessionID="ses_review",
        permission="bash",
        patterns=["pnpm prisma migrate deploy"],
        metadata={"command": "pnpm prisma migrate deploy"},
        always=["pnpm prisma *"],
        time={"created": at},
    )


def _question(request: str) -> Frame:
    options = [{"label": "Keep the old nodes"}, {"label": "Drain them now", "description": "20 minutes"}]
    question = {"question": "Keep the old node pool during the upgrade?", "header": "Nodes", "options": options}
    return _event("question.asked", id=request, sessionID="ses_k8s", questions=[question])
