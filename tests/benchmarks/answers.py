"""Measure the time of an answer from the click to the plugin, and to the real OpenCode if it is installed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from fakes import connection
from model_server import ModelServer
from opencode import NEWEST, OpenCode, installed
from tray.app.application import App
from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.commands import AnswerRequest, Surface
from tray.core.settings import ON_MACHINE, OTHER_AGENTS, PORT
from tray.storage.settings_file import load_settings
from tray.storage.token import Token
from tray.system.paths import Paths
from tray_process import free_port
from waiting import until_async

ANSWERS = 400
REAL_ANSWERS = 100
READING = 0.3  # s between a request and its answer, in which OpenCode finishes its own work for the request
TOKEN = "benchmark"
ONCE = Permit(Verdict.ONCE)


async def app_in(folder: Path) -> App:
    """Return a running app with its files in this folder."""
    paths = Paths.inside(folder)
    flags = {PORT.key: free_port(), ON_MACHINE.key: False, OTHER_AGENTS.key: False}
    made = App(paths, load_settings(paths.settings, {}, flags), flags, Token(TOKEN), notify=False)
    await made.start()
    return made


async def end(app: App) -> None:
    """Stop the app."""
    app.stop()
    await app.run_until_stopped()


async def to_the_plugin(folder: Path) -> tuple[list[float], list[float]]:
    """Return the seconds from each click to the plugin's call and, as the baseline, from each frame to its event."""
    app = await app_in(folder)
    delays, baseline = [], []
    async with connection(f"http://127.0.0.1:{app.port}/") as plugin:
        await plugin.authenticate(TOKEN)
        await plugin.send({"type": "snapshot", "sessions": [{"id": "ses_1"}], "permissions": []})
        server = app.status()["servers"][0]["id"]
        for number in range(ANSWERS):
            request = f"per_{number}"
            key = RequestKey(server, request)
            sent = time.perf_counter()
            await plugin.event("permission.asked", id=request, sessionID="ses_1", permission="bash")
            while app.state.fleet.request(key) is None:  # noqa: ASYNC110  # a longer sleep would be measured as well
                await asyncio.sleep(0)
            baseline.append(time.perf_counter() - sent)
            clicked = time.perf_counter()
            # As a command: other surfaces accept no two answers within a second.
            answering = asyncio.create_task(app.execute(AnswerRequest(key, ONCE), Surface.COMMAND))
            call = await plugin.receive()
            delays.append(time.perf_counter() - clicked)
            await plugin.send({"id": call["id"], "result": {}})
            await plugin.event("permission.replied", sessionID="ses_1", requestID=request)
            await answering
    await end(app)
    return delays, baseline


async def to_opencode(folder: Path) -> list[float] | None:
    """Return the seconds from each click to OpenCode's confirmation, or None if OpenCode is not installed."""
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
            await until_async(lambda: not app.status()["attention"]["busy"], deadline=30)
    await end(app)
    return delays


async def _asked(app: App) -> RequestKey:
    def found() -> RequestKey | None:
        waiting = [(s["server"], r["id"]) for s in app.status()["sessions"] for r in s["requests"]]
        return RequestKey(*waiting[0]) if waiting else None

    key: RequestKey = await until_async(found, deadline=30)
    return key
