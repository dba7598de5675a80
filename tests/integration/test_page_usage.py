"""The page's calls on the history: the numbers of `usage`, what they refuse, and the export."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, closing
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from page_client import PageClient
from tray.cli.main import main
from tray.core.devices import Scope
from tray.core.history import HistoryRecord, RequestRecord, SessionRecord, StepRecord, TurnRecord
from tray.core.messages import Tokens
from tray.core.servers import AgentKind
from tray.storage.history.database import open_history
from tray.storage.history.export import COLUMNS
from tray.storage.history.recorder import Recorder
from tray.storage.history.selection import midnight
from tray.system.local_day import number_of
from tray.system.paths import Paths
from waiting import run, until_async

FIRST = number_of(date(2026, 3, 2))
PERIOD = "from=2026-03-02&to=2026-03-11"
KINDS = ("summary", "series", "heatmap", "hours", "times", "sessions", "forecast")


def records() -> Iterator[HistoryRecord]:
    for number in range(30):
        day, session = FIRST + number % 10, f"ses_past_{number % 6}"
        ended = midnight(day) + 9 * 3_600_000 + number
        kind = AgentKind.CLAUDE if number % 6 == 5 else AgentKind.OPENCODE
        parent = "ses_past_0" if number % 6 == 3 else ""
        yield SessionRecord(session, kind, parent, "desk", f"/p/{number % 3}", f'=Work, "{number % 6}"')
        money = {"reported": 1_234 * number} if number % 2 else {"estimated": 77} if number % 5 else {}
        yield StepRecord(
            f"msg_{number}",
            session,
            ended,
            day,
            ended - 1000,
            f"p/m{number % 4}",
            "build",
            Tokens(9, 5, 1, 90, 2),
            **money,
        )
        yield TurnRecord(session, ended - 5000, ended, day)
        yield RequestRecord(f"per_{number}", session, "permission", "bash", "ls", ended - 4000, ended - 1000, "once")


@pytest.fixture
def with_history(tmp_path: Path, at_work: Callable[[], Any]) -> Callable[[], Any]:
    """Return a context manager with a paired client of a page with a history, and the paths of its tray."""
    connection, _ = open_history(Paths.inside(tmp_path).history)
    with closing(connection):
        Recorder(connection).store(records())

    @asynccontextmanager
    async def start(scope: Scope = Scope.WATCH) -> Any:
        async with at_work() as (running, _), aiohttp.ClientSession() as session:
            yield await PageClient.pair(session, running, scope=scope), running.paths

    return start


def usage(paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str) -> Any:
    """Return what `usage --json` prints for a tray's history."""
    monkeypatch.setattr(Paths, "of", lambda _: paths)
    capsys.readouterr()
    assert main(["usage", "--from", "2026-03-02", "--to", "2026-03-11", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_numbers_are_those_of_the_usage_command(
    with_history: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def test() -> None:
        async with with_history() as (client, paths):
            status, summary = await client.call("GET", f"/api/usage/summary?{PERIOD}")
            expected = usage(paths, monkeypatch, capsys)
            assert status == 200
            assert {key: summary[key] for key in ("from", "to", "sessions", "total")} == expected
            assert expected["total"]["steps"] == 30
            for by in ("model", "project", "agent", "program", "host"):
                _, found = await client.call("GET", f"/api/usage/series?{PERIOD}&by={by}")
                groups = {
                    group[by]: {k: v for k, v in group.items() if k not in ("name", "values")}
                    for group in found["groups"]
                }
                assert groups == {group[by]: group for group in usage(paths, monkeypatch, capsys, "--by", by)["groups"]}
            _, heat = await client.call("GET", f"/api/usage/heatmap?{PERIOD}")
            by_day = {
                group["day"]: group["tokens"] for group in usage(paths, monkeypatch, capsys, "--by", "day")["groups"]
            }
            assert {day["day"]: day["tokens"] for day in heat["days"]} == by_day
            for by in ("model", "project"):  # a filter selects the numbers of its group
                for group in usage(paths, monkeypatch, capsys, "--by", by)["groups"]:
                    _, part = await client.call("GET", f"/api/usage/summary?{PERIOD}&{by}={group[by]}")
                    assert {by: group[by], **part["total"]} == group

    run(test())


def test_each_call_answers_about_the_same_days(with_history: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_history() as (client, _):
            found = {kind: await client.call("GET", f"/api/usage/{kind}?{PERIOD}") for kind in KINDS}
            assert {status for status, _ in found.values()} == {200}
            assert all(answer["from"] == "2026-03-02" for kind, (_, answer) in found.items() if kind != "forecast")
            assert found["summary"][1]["turns"] == {"completed": 30, "aborted": 0, "failed": 0}
            assert found["summary"][1]["waits"]["answer_time"] == 3000
            assert sum(map(sum, found["hours"][1]["hours"])) == 30
            assert {each["p50"] for each in found["times"][1]["models"]} == {1000}
            assert len(found["sessions"][1]["sessions"]) == 5  # one of the six is a subagent
            _, one_day = await client.call("GET", "/api/usage/sessions?from=2026-03-02&to=2026-03-02&order=cost")
            assert len(one_day["sessions"]) == 3
            _, of_hour = await client.call("GET", f"/api/usage/sessions?{PERIOD}&hour=0-10")
            assert of_hour["sessions"] == []
            _, of_model = await client.call("GET", f"/api/usage/summary?{PERIOD}&model=p/m1")
            assert (of_model["turns"], of_model["waits"]) == (None, None)

    run(test())


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("summary?from=yesterday", "'yesterday' is not a day such as 2026-11-30"),
        ("summary?from=2026-03-02&to=2026-03-01", "from 2026-03-02 is after 2026-03-01"),
        ("heatmap?from=0001-01-01", "a period may have 3660 days"),
        ("series?by=colour", "by must be one of: model, project, agent, program, host, kind"),
        ("series?metric=fun", "metric must be one of: tokens, reported, estimated, steps, time"),
        ("sessions?order=1;DROP", "order must be one of: newest, cost"),
        ("sessions?hour=7-1", "hour must be a weekday and an hour such as 0-14 (Monday, 14:00)"),
    ],
)
def test_invalid_parameters_are_refused_with_a_text(with_history: Callable[[], Any], query: str, text: str) -> None:
    async def test() -> None:
        async with with_history() as (client, _):
            assert await client.call("GET", f"/api/usage/{query}") == (400, {"error": text})

    run(test())


@pytest.mark.parametrize(
    "days",
    [
        "from=0001-01-01&to=0001-01-02",
        "from=0001-01-01&to=0001-01-01",
        "from=9999-12-30&to=9999-12-31",
        "from=9999-12-31&to=9999-12-31",
    ],
)
def test_days_at_the_ends_of_the_calendar_have_no_usage(with_history: Callable[[], Any], days: str) -> None:
    async def test() -> None:
        async with with_history() as (client, _):
            found = [await client.call("GET", f"/api/usage/{kind}?{days}") for kind in KINDS]
            assert [status for status, _ in found] == [200] * len(KINDS)
            assert found[0][1]["total"]["steps"] == 0
            _, text = await client.call("GET", f"/api/export.csv?{days}")
            assert text == ",".join(COLUMNS) + "\n"

    run(test())


def test_nothing_is_answered_without_a_token(with_history: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_history() as (client, _):
            stranger = PageClient(client.session, client.address)
            paths = [*(f"/api/usage/{kind}" for kind in KINDS), "/api/export.csv", "/api/export.json"]
            for path in paths:
                status, answer = await stranger.call("GET", path)
                assert (status, set(answer)) == (401, {"error"}), path

    run(test())


def test_a_damaged_history_is_an_error_and_not_empty(with_history: Callable[[], Any]) -> None:
    async def test() -> None:
        async with with_history() as (client, paths):
            paths.history.with_name("history.db-wal").unlink(missing_ok=True)
            paths.history.write_bytes(b"no database " * 1000)
            for path in ("/api/usage/summary", "/api/export.csv"):
                status, answer = await client.call("GET", path)
                assert status == 503
                assert answer["error"].startswith("cannot read the history")

    run(test())


def test_the_export_is_that_of_the_command_behind_the_filter(with_history: Callable[[], Any], tmp_path: Path) -> None:
    async def test() -> None:
        async with with_history() as (client, _):
            _, text = await client.call("GET", f"/api/export.csv?{PERIOD}")
            rows = list(csv.DictReader(io.StringIO(text)))
            assert tuple(rows[0]) == COLUMNS
            assert len(rows) == 30
            assert {row["title"] for row in rows} == {f"""'=Work, "{number}\"""" for number in range(6)}  # no formula
            assert sum(int(row["reported_microdollars"] or 0) for row in rows) == sum(1234 * n for n in range(1, 30, 2))
            headers = client.headers
            address = f"{client.address}/api/export.json?{PERIOD}&program=claude"
            async with client.session.get(address, headers=headers) as answer:
                lines = (await answer.text()).splitlines()
            assert [json.loads(line)["program"] for line in lines] == ["claude"] * 5
            _, nothing = await client.call("GET", "/api/export.csv?from=2020-01-01&to=2020-01-01")
            assert nothing == ",".join(COLUMNS) + "\n"
            _, part = await client.call("GET", f"/api/export.csv?{PERIOD}&project=/p/1&model=p/m1")
            found = [row for row in rows if (row["directory"], row["model"]) == ("/p/1", "p/m1")]
            assert list(csv.DictReader(io.StringIO(part))) == found != []

    run(test())


def test_an_export_that_a_browser_does_not_read_ends_and_only_one_is_sent_at_a_time(
    with_history: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tray.surfaces.page.usage_export.STALL_TIMEOUT", 0.5)

    async def test() -> None:
        async with with_history() as (client, paths):
            with closing(open_history(paths.history)[0]) as connection:
                Recorder(connection).store([SessionRecord("ses_past_1", title="x" * 5_000_000)])
            headers = client.headers
            path = f"/api/export.json?{PERIOD}"

            async def can_export() -> bool:
                return (await client.call("GET", f"/api/export.csv?{PERIOD}&program=claude"))[0] == 200

            async with client.session.get(f"{client.address}{path}", headers=headers) as stalled:
                assert (await client.call("GET", path))[0] == 429
                await until_async(can_export)
                with pytest.raises(aiohttp.ClientError):
                    await stalled.read()

    run(test())


@pytest.mark.fault
def test_an_export_that_the_browser_cancels_is_no_error(
    with_history: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with with_history() as (client, paths):
            with closing(open_history(paths.history)[0]) as connection:
                Recorder(connection).store([SessionRecord("ses_past_1", title="x" * 5_000_000)])

            async def can_export() -> bool:
                return (await client.call("GET", f"/api/export.csv?{PERIOD}&program=claude"))[0] == 200

            async with client.session.get(
                f"{client.address}/api/export.json?{PERIOD}", headers=client.headers
            ) as answer:
                await answer.content.readany()
                answer.close()
            await until_async(can_export)

    run(test())
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
