"""The history of a running app: usage of today in the menu, restarts, midnight, and what was missed meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from running_app import ASK, SES, RunningApp
from tray.core.answers import Permit, RequestKey, Verdict
from tray.core.commands import AnswerRequest, Surface
from tray.core.history import StepRecord
from tray.core.messages import Tokens
from tray.storage.history.database import open_history
from tray.storage.history.recorder import Recorder
from tray.storage.history.usage import open_for_reading, usage
from tray.surfaces.menu.items import walk
from tray.system.local_day import day_number
from tray.system.paths import Paths
from waiting import run, until_async

HOURS = 3600.0


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


def message(number: int, **fields: Any) -> dict[str, Any]:
    """Return a response of a model that has just ended."""
    return {
        "id": f"msg_{number}", "sessionID": SES, "role": "assistant", "agent": "build", "modelID": "m",
        "providerID": "p", "cost": 0.5, "tokens": {"input": 100, "output": 20}, "time": {"completed": milliseconds()},
        **fields,
    }  # fmt: skip


def today(running: RunningApp) -> str:
    """Return the line in the menu; "" if there is none."""
    labels = [item.label for item in walk(running.views[-1].menu)] if running.views else []
    return next((label for label in labels if label.startswith("Today")), "")


async def shows(running: RunningApp, line: str) -> None:
    await until_async(lambda: today(running) == line, f"{line!r} in the menu; it is {today(running)!r}")


def test_today_is_in_the_menu_and_survives_a_restart(at_work: Callable[..., Any]) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            await link.event("message.updated", info=message(1))
            await link.event("message.updated", info=message(1))
            await shows(running, "Today: 1 session · 120 tokens · $0.50")
            await link.event("message.updated", info=message(2))
            await shows(running, "Today: 1 session · 240 tokens · $1.00")
        async with at_work() as (running, link):
            await shows(running, "Today: 1 session · 240 tokens · $1.00")
            await link.event("message.updated", info=message(2))
            await link.event("message.updated", info=message(3, cost=0))
            await shows(running, "Today: 1 session · 360 tokens · $1.00")

    run(test())


@pytest.mark.fault
def test_today_begins_again_at_midnight(at_work: Callable[..., Any]) -> None:
    passed = [0.0]
    clock = SimpleNamespace(
        time=lambda: time.time() + passed[0],
        time_ns=lambda: time.time_ns() + int(passed[0] * 1e9),
        monotonic=lambda: time.monotonic() + passed[0],
        perf_counter=time.perf_counter,
    )

    async def test() -> None:
        async with at_work(clock) as (running, link):
            await link.event("message.updated", info=message(1))
            await shows(running, "Today: 1 session · 120 tokens · $0.50")
            passed[0] = 24 * HOURS
            await shows(running, "")

    run(test())


def test_what_ended_while_nothing_was_connected_is_read_after_the_snapshot(at_work: Callable[..., Any]) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            session = {"id": SES, "title": "Work", "cost": 1.0, "tokens": {"input": 200, "output": 40}}
            await link.send({"type": "snapshot", "sessions": [session], "status": {}, "permissions": []})
            asked = await link.receive()
            assert (asked["method"], asked["params"]["sessionID"]) == ("session.messages", SES)
            listed = [{"info": message(number), "parts": []} for number in (1, 2)]
            await link.send({"id": asked["id"], "result": listed})
            await shows(running, "Today: 1 session · 240 tokens · $1.00")

    run(test())


def test_nothing_is_recorded_while_the_history_is_off(at_work: Callable[..., Any]) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            await link.event("message.updated", info=message(1))
            await shows(running, "Today: 1 session · 120 tokens · $0.50")
            running.settings.write_text("[history]\nenabled = false\n")
            await shows(running, "")
            await link.event("message.updated", info=message(2))
            running.settings.write_text('[history]\ntext = "off"\n')
            await shows(running, "Today: 1 session · 120 tokens · $0.50")
            day = day_number(milliseconds())
            assert [sums.steps for sums in usage(running.paths.history, day, day)] == [1]

    run(test())


def test_a_problem_of_the_history_ends_when_it_is_turned_off(at_work: Callable[..., Any], tmp_path: Path) -> None:
    Paths.inside(tmp_path).history.mkdir()

    async def test() -> None:
        async with at_work() as (running, _):
            await until_async(lambda: "cannot be written" in str(running.views[-1]), "the problem")
            running.settings.write_text("[history]\nenabled = false\n")
            await until_async(lambda: "cannot be written" not in str(running.views[-1]), "the end of the problem")

    run(test())


def test_a_budget_that_is_reached_when_the_tray_starts_is_notified_once(
    at_work: Callable[..., Any], tmp_path: Path
) -> None:
    now = milliseconds()
    with closing(open_history(Paths.inside(tmp_path).history)[0]) as connection:
        Recorder(connection).store(
            [StepRecord("msg_0", SES, now, day_number(now), reported=9_000_000, tokens=Tokens(1))]
        )
    (tmp_path / "settings.toml").write_text('[[budgets]]\namount = 10.0\nperiod = "day"\n')

    async def test() -> None:
        async with at_work() as (running, link):
            await until_async(lambda: running.notifications.said, "the notice")
            await link.event("message.updated", info=message(1))
            await shows(running, "Today: 1 session · 121 tokens · $9.50")
            assert len(running.notifications.said) == 1

    run(test())


def test_a_history_that_cannot_be_written_is_a_problem_in_the_menu_until_it_can(
    at_work: Callable[..., Any], tmp_path: Path
) -> None:
    in_the_way = Paths.inside(tmp_path).history
    in_the_way.mkdir()

    async def test() -> None:
        async with at_work() as (running, link):
            await link.event("message.updated", info=message(1))
            await until_async(lambda: "cannot be written" in str(running.views[-1]), "the problem")
            in_the_way.rmdir()
            await shows(running, "Today: 1 session · 120 tokens · $0.50")
            await until_async(lambda: "cannot be written" not in str(running.views[-1]), "the end of the problem")

    run(test())


def test_a_plugin_learns_when_prompts_are_recorded_or_not_any_more(at_work: Callable[..., Any], tmp_path: Path) -> None:
    async def test() -> None:
        async with at_work() as (_, link):
            for mode, prompts in (("off", False), ("lines", True)):
                (tmp_path / "settings.toml").write_text(f'[history]\ntext = "{mode}"\n')
                while (call := await link.receive())["method"] != "wishes":
                    pass
                assert call["params"] == {"prompts": prompts, "edits": True}
                await link.send({"id": call["id"], "result": {}})

    run(test())


def test_where_a_request_was_answered_is_recorded(at_work: Callable[..., Any]) -> None:
    async def test() -> None:
        async with at_work() as (running, link):
            await link.event("permission.asked", **ASK)
            await until_async(lambda: running.waiting)
            server = running.app.status()["servers"][0]["id"]
            answer = AnswerRequest(RequestKey(server, ASK["id"]), Permit(Verdict.ONCE))
            answering = asyncio.create_task(running.choose(answer, Surface.NOTIFICATION))
            asked = await link.receive()
            assert asked["method"] == "permission.reply"
            await link.send({"id": asked["id"], "result": True})
            await link.event("permission.replied", sessionID=SES, requestID=ASK["id"], reply="once")
            assert (await answering).ok
            query = """SELECT request.kind, title, text, asked > 0, closed >= asked, verdict, surface FROM request
                JOIN text ON text.session = request.session AND text.kind = 'request' AND text.item = request.id"""
            expected = [("permission", "bash", "ls", 1, 1, "once", "notification")]
            await until_async(lambda: rows(running, query) == expected, "the answer")

    run(test())


def rows(running: RunningApp, query: str) -> list[tuple[object, ...]]:
    connection = open_for_reading(running.paths.history)
    if connection is None:
        return []
    with closing(connection):
        return connection.execute(query).fetchall()
