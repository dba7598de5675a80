"""Measure the history: what recording costs the event loop and the writer, and how long sums over a year take.

Run: `python tests/benchmarks/history.py [--turns 100000] [--days 365]`, with the project installed.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from bench import Line, table  # noqa: E402
from msgspec.structs import replace  # noqa: E402

from replay import SERVER  # noqa: E402
from tray.core.budgets import Budget  # noqa: E402
from tray.core.events import MessageReported, ServerConnected, SessionFacts, SessionReported, SnapshotTaken  # noqa: E402
from tray.core.fleet import Fleet  # noqa: E402
from tray.core.history import HistoryRecord, RequestRecord, SessionRecord, StepRecord, TurnRecord  # noqa: E402
from tray.core.ledger import Ledger  # noqa: E402
from tray.core.messages import Message, Tokens  # noqa: E402
from tray.storage.history import activity, analytics  # noqa: E402
from tray.storage.history.database import open_history  # noqa: E402
from tray.storage.history.recorder import Recorder  # noqa: E402
from tray.storage.history.search import SessionQuery, choices, find_sessions  # noqa: E402
from tray.storage.history.selection import Selection  # noqa: E402
from tray.storage.history.spending import spent  # noqa: E402
from tray.storage.history.timeline import timeline  # noqa: E402
from tray.storage.history.usage import GROUPS, active_roots, usage  # noqa: E402
from tray.system.local_day import day_number  # noqa: E402

PROJECTS, MODELS, STEPS_OF_TURN, TURNS_OF_SESSION = 40, 8, 5, 8
EVENTS = 20_000


def records(turns: int, days: int) -> Iterator[list[HistoryRecord]]:
    """Yield the records of turns that are spread over the last days."""
    rng = random.Random(1)  # noqa: S311  # the same history each time
    today = day_number(time.time_ns() // 1_000_000)
    for turn in range(turns):
        session = f"ses_{turn // TURNS_OF_SESSION}"
        day = today - days + 1 + turn * days // turns
        ended = day * 86_400_000 + rng.randrange(86_400_000)
        project = rng.randrange(PROJECTS)
        found: list[HistoryRecord] = [SessionRecord(session, host="desk", directory=f"/p/{project}", title="Work")]
        found += [
            StepRecord(
                f"msg_{turn}_{step}", session, ended + step, day, created=ended - 3_000, agent="build",
                model=f"p/m{rng.randrange(MODELS)}", tokens=Tokens(1_000, 200, 50, 9_000, 100), reported=3_570,
            )
            for step in range(STEPS_OF_TURN)
        ]  # fmt: skip
        if turn % 3 == 0:
            asked = ended - rng.randrange(50_000)
            found.append(RequestRecord(f"per_{turn}", session, "permission", "bash", "make", asked, ended, "once"))
        prompt, reply = f"Fix the partial refund, case number-{turn}", f"All {turn % 90} tests pass now"
        yield [*found, TurnRecord(session, ended - 60_000, ended, day, prompt=prompt, reply=reply)]


def loop() -> list[Line]:
    """Measure what recording adds to an event on the event loop."""
    fleet = Fleet()
    fleet.apply(ServerConnected(SERVER), 0)
    fleet.apply(SnapshotTaken(SERVER.id), 0)
    fleet.apply(SessionReported(SERVER.id, SessionFacts("ses")), 0)
    ledger = Ledger(fleet, day_number)
    now = time.time_ns() // 1_000_000
    applied, recorded = [], []
    for number in range(EVENTS):
        message = Message(f"msg_{number:09}", model="p/m", cost=0.1, tokens=Tokens(10), completed=now)
        event = MessageReported(SERVER.id, "ses", message)
        begun = time.perf_counter_ns()
        changes = fleet.apply(event, now)
        between = time.perf_counter_ns()
        ledger.records(event, changes, now)
        applied.append(between - begun)
        recorded.append(time.perf_counter_ns() - between)
    return [Line("recording a response (median / p99)", microseconds(recorded), "20 µs p99", microseconds(applied))]


def microseconds(taken: list[int]) -> str:
    ordered = sorted(taken)
    return f"{ordered[len(ordered) // 2] / 1000:.1f} / {ordered[len(ordered) * 99 // 100] / 1000:.1f} µs"


def stored(path: Path, turns: int, days: int) -> list[Line]:
    """Fill a history, and measure the writer."""
    connection, _ = open_history(path)
    batch: list[HistoryRecord] = []
    begun = time.process_time()
    with closing(connection):
        recorder = Recorder(connection)
        for turn in records(turns, days):
            batch += turn
            if len(batch) >= 500:
                recorder.store(batch)
                batch = []
        recorder.store(batch)
        again = time.process_time()
        for turn in records(min(turns, 2_000), days):
            recorder.store(turn)
    each = (again - begun) / turns / (STEPS_OF_TURN + 2) * 1e6
    twice = (time.process_time() - again) / min(turns, 2_000) / (STEPS_OF_TURN + 2) * 1e6
    size = path.stat().st_size / 1e6
    return [
        Line(f"storing a record, of {turns:,} turns", f"{each:.0f} µs, {size:.0f} MB", "", ""),
        Line("storing it again, alone", f"{twice:.0f} µs", "", ""),
    ]


def queries(path: Path) -> list[Line]:
    """Measure the queries of `usage`, the menu and budgets."""
    today = day_number(time.time_ns() // 1_000_000)
    lines = [Line("today", milliseconds(lambda: usage(path, today, today)), "100 ms", "")]
    lines.append(Line("sessions of today", milliseconds(lambda: active_roots(path, today, today)), "100 ms", ""))
    lines += [
        Line(
            f"a year by {group or 'nothing'}",
            milliseconds(lambda group=group: usage(path, today - 364, today, group)),
            "100 ms",
            "",
        )
        for group in GROUPS
    ]
    budget = Budget(100, "month", project="/p/1")
    lines.append(Line("a budget", milliseconds(lambda: spent(path, budget, today - 30, today)), "100 ms", ""))
    lines += [Line(name, milliseconds(run), "100 ms", "") for name, run in questions(path, today)]
    lines.append(Line("floor: a connection", milliseconds(lambda: sqlite3.connect(path).close()), "", ""))
    return lines


def questions(path: Path, today: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the questions of the page about a year, also with filters, and about one day."""
    year = Selection(today - 364, today)
    parts = {
        "a year": year,
        "of a project": replace(year, project="/p/1"),
        "of a model": replace(year, model="p/m1"),
        "today": Selection(today, today),
    }
    for name, part in parts.items():
        yield f"sums, {name}", lambda part=part: analytics.sums_of(path, part)
        yield f"number of sessions, {name}", lambda part=part: activity.active_sessions(path, part)
        yield f"turns, {name}", lambda part=part: activity.outcomes(path, part)
        yield f"requests, {name}", lambda part=part: activity.waits(path, part)
        yield f"hours, {name}", lambda part=part: activity.hours(path, part)
        yield f"sessions, {name}", lambda part=part: activity.top_sessions(path, part, "cost")
        yield f"sessions of an hour, {name}", lambda part=part: activity.top_sessions(path, part, hour=(2, 14))
        yield f"heat map, {name}", lambda part=part: analytics.heat_map(path, part)
        yield f"times, {name}", lambda part=part: analytics.model_times(path, part)
        yield (
            f"times of weeks, {name}",
            lambda part=part: analytics.times_of_days(path, part, lambda day: (day // 7,) * 2),
        )
        yield f"kinds of tokens, {name}", lambda part=part: analytics.token_kinds(path, part)
        yield f"forecast, {name}", lambda part=part: analytics.forecasts(path, part, today)
        for group in analytics.SERIES:
            yield (
                f"days by {group}, {name}",
                lambda part=part, group=group: analytics.series(path, part, group, "tokens"),
            )

    yield "hours of today by model", lambda: analytics.series(path, Selection(today, today), "model", "tokens", 24)
    yield "newest sessions", lambda: find_sessions(path, SessionQuery())
    yield "sessions of a project", lambda: find_sessions(path, SessionQuery(project="/p/1"))
    yield "search of a word in each prompt", lambda: find_sessions(path, SessionQuery("refund"))
    yield "search of a word in one prompt", lambda: find_sessions(path, SessionQuery("number-77"))
    yield "search of two letters", lambda: find_sessions(path, SessionQuery("zq"))
    yield "what can be chosen from", lambda: choices(path)
    yield "a timeline", lambda: timeline(path, "ses_1")


def milliseconds(run: Callable[[], object], times: int = 20) -> str:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begun)
    return f"{sorted(taken)[times // 2] * 1_000:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=100_000, help="of the generated history")
    parser.add_argument("--days", type=int, default=365, help="over which the turns are spread")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "history.db"
        print(table([*loop(), *stored(path, options.turns, options.days), *queries(path)]))


if __name__ == "__main__":
    main()
