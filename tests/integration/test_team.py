"""Sessions of other trays through a real broker: shown with their host, answered where allowed, and never stale."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes import FRAMES, FakePlugin, connection
from mqtt_broker import Mosquitto
from running_app import ASK, SES, SNAPSHOT, RunningApp
from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.commands import AnswerRequest
from tray.core.team_settings import key_text
from tray.sources.team.sealing import Sealer
from tray.storage.team_identity import read_identity
from waiting import run
from waiting import until_async as until

SERVER = FRAMES["hello"]["instance"]
TEAM_KEY = bytes(range(32))
TRUTH = 5.0  # s in which a change, also of a connection, has to be seen
ONCE = Permit(Verdict.ONCE)


def key_of(running: RunningApp) -> str:
    """Return the public key of a tray."""
    private = bytes.fromhex(read_identity(running.paths.team).private_key)
    return Sealer(TEAM_KEY, private).key


def join(running: RunningApp, url: str, answers: tuple[str, ...] = (), key: bytes = TEAM_KEY, **more: Any) -> None:
    """Write the settings with which a tray is in the team. `more` are other settings of it."""
    values = {"broker": url, "key": key_text(key), "answers": list(answers), **more}
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    running.settings.write_text("\n".join(["[team]", *lines]) + "\n", encoding="utf-8")


@asynccontextmanager
async def tray(folder: Path) -> AsyncIterator[RunningApp]:
    running = RunningApp(folder)
    await running.app.start()
    life = asyncio.create_task(running.app.run_until_stopped())
    try:
        yield running
    finally:
        running.app.stop()
        await asyncio.wait_for(life, 2)


@asynccontextmanager
async def plugin(running: RunningApp, **hello: Any) -> AsyncIterator[FakePlugin]:
    async with connection(f"http://127.0.0.1:{running.app.port}/") as link:
        await link.authenticate(**hello)
        await link.send(SNAPSHOT)
        await until(lambda: session(running))
        yield link


def session(running: RunningApp, session_id: str = SES) -> dict[str, Any]:
    sessions = running.app.status()["sessions"]
    return next((found for found in sessions if found["id"] == session_id), {})


def server(running: RunningApp) -> dict[str, Any]:
    return next((found for found in running.app.status()["servers"] if found["source"] == "team"), {})


def status(running: RunningApp) -> str:
    return str(session(running).get("status", ""))


def audit(running: RunningApp) -> list[dict[str, Any]]:
    if not running.paths.audit.exists():
        return []
    return [json.loads(line) for line in running.paths.audit.read_text(encoding="utf-8").splitlines()]


def problems(running: RunningApp) -> str:
    return json.dumps([entry.label for entry in running.app.view().entries], ensure_ascii=False)


def shared_request(running: RunningApp) -> RequestKey:
    return RequestKey(server(running)["id"], "per_1")


@pytest.fixture
def broker(tmp_path: Path) -> Any:
    with Mosquitto(tmp_path) as running:
        yield running


def test_a_session_of_another_tray_is_shown_with_its_host_and_is_read_only(broker: Mosquitto, tmp_path: Path) -> None:
    async def test() -> None:
        async with tray(tmp_path / "desk") as desk, tray(tmp_path / "far") as far:
            join(desk, broker.url)
            async with plugin(far) as link:
                join(far, broker.url)
                await until(lambda: session(desk), "the session", TRUTH)
                assert (server(desk)["host"], session(desk)["title"]) == ("workstation", "Work")
                await link.event("permission.asked", **ASK)
                await until(lambda: session(desk)["requests"], "the request", TRUTH)
                assert session(desk)["requests"][0]["detail"] == "ls"
                assert "has not named this tray in team.answers" in server(desk)["read_only_reason"]
                assert desk.notifications.shown == []
                assert desk.waiting == 0
                result = await desk.choose(AnswerRequest(shared_request(desk), ONCE))
                assert "read-only" in result.message
                assert audit(desk) == []
                assert audit(far) == []

    run(test())
