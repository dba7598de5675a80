"""The history: what is stored twice or in another order is stored once, and the sums are those of the steps."""

from __future__ import annotations

import random
import sqlite3
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tray.core.history import (
    EditRecord,
    HistoryRecord,
    RequestRecord,
    SessionRecord,
    StepRecord,
    StepsExpired,
    TurnOutcome,
    TurnRecord,
)
from tray.core.messages import Tokens
from tray.core.servers import AgentKind
from tray.storage.history.database import HistoryError, open_history
from tray.storage.history.recorder import Recorder
from tray.storage.history.usage import active_roots, usage

DAY = 20_000  # days since 1970-01-01
SUMS = (
    "steps",
    "input",
    "output",
    "reasoning",
    "cache_read",
    "cache_write",
    "reported",
    "estimated",
    "unpriced",
    "duration",
)

# Every table as names, without the ids that depend on the order of storing.
LOGICAL = (
    """SELECT session.uid, parent.uid, host, directory, session.kind, session.title, session.created, session.deleted,
    session.touched, session.pinned
    FROM session JOIN place ON place.id = session.place LEFT JOIN session parent ON parent.id = session.parent""",
    """SELECT step.id, session.uid, model.name, agent.name, day, step.created, ended, input, output, reasoning,
    cache_read, cache_write, reported, estimated, failed, inherited FROM step JOIN session ON session.id = step.session
    JOIN model ON model.id = step.model JOIN agent ON agent.id = step.agent""",
    f"""SELECT day, host, directory, kind, model.name, agent.name, sub, {", ".join(SUMS)} FROM daily
    JOIN place ON place.id = daily.place JOIN model ON model.id = daily.model JOIN agent ON agent.id = daily.agent""",
    f"SELECT uid, {', '.join(SUMS)} FROM total JOIN session ON session.id = total.session",
    "SELECT day, model.name, bucket, steps FROM latency JOIN model ON model.id = latency.model",
    "SELECT uid, turn.id, started, ended, day, outcome FROM turn JOIN session ON session.id = turn.session",
    """SELECT uid, request.id, request.kind, request.title, asked, closed, verdict, surface
    FROM request JOIN session ON session.id = request.session""",
    "SELECT uid, edit.id, ended, day, extension, added, removed FROM edit JOIN session ON session.id = edit.session",
    "SELECT uid, text.kind, item, at, text FROM text JOIN session ON session.id = text.session",
)  # fmt: skip


def dump(connection: sqlite3.Connection) -> list[list[tuple[object, ...]]]:
    return [sorted(connection.execute(query), key=repr) for query in LOGICAL]


def stored(path: Path, records: Iterable[HistoryRecord], batch: int = 100) -> list[list[tuple[object, ...]]]:
    """Store records in batches, and return everything that is stored then."""
    connection, problem = open_history(path)
    assert problem == ""
    with closing(connection):
        recorder, waiting = Recorder(connection), list(records)
        for start in range(0, len(waiting), batch):
            recorder.store(waiting[start : start + batch])
        return dump(connection)


def step(number: int, session: str = "root", **fields: object) -> StepRecord:
    ended = 1_000_000 + number
    defaults = {"ended": ended, "day": DAY, "created": ended - 500, "model": "p/m", "tokens": Tokens(10, 5, 1, 100, 2)}
    return StepRecord(f"msg_{number}", session, **{**defaults, **fields})  # type: ignore[arg-type]


RECORDS: tuple[HistoryRecord, ...] = (
    SessionRecord("root", host="desk", directory="/p", title="Fix it", created=5),
    SessionRecord("child", parent="root", host="desk", directory="/p", title="Look"),
    SessionRecord("claude", AgentKind.CLAUDE, host="desk", directory="/q"),
    step(1, reported=3_570),
    step(2, "child", reported=1_000, agent="explore"),
    step(3, estimated=2_000, day=DAY + 1),
    step(4, "child", failed=True),
    step(5, inherited=True, reported=9_000_000),
    step(6, "claude", model="anthropic/m", estimated=7),
    TurnRecord("root", 100, 900, DAY, TurnOutcome.COMPLETED, prompt="Fix the tests", reply="Fixed"),
    TurnRecord("root", 100, 900, DAY, TurnOutcome.ABORTED, reply="Fixed two"),
    RequestRecord("per_1", "root", "permission", "bash", "make test", asked=300),
    RequestRecord("per_1", "root", closed=700, verdict="once"),
    RequestRecord("per_1", "root", closed=701),
    EditRecord("call_1", "child", 800, DAY, ".py", 3, 1),
    EditRecord("call_1", "child", 900, DAY + 1, ".py", 3, 1),
    SessionRecord("claude", AgentKind.CLAUDE, is_deleted=True),
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(RECORDS))), repeats=st.integers(1, 3), batch=st.integers(1, 20))
def test_the_result_does_not_depend_on_order_repetition_or_batches(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], repeats: int, batch: int
) -> None:
    folder = tmp_path_factory.mktemp("history")
    expected = stored(folder / "expected.db", RECORDS)
    shuffled = [RECORDS[number] for number in order] * repeats
    assert stored(folder / "shuffled.db", shuffled, batch) == expected


def test_a_later_report_of_a_step_completes_it(tmp_path: Path) -> None:
    begun = step(1, tokens=Tokens(10, 1), reported=100)
    ended = step(1, tokens=Tokens(10, 50), reported=500, ended=1_000_400, created=0)
    expected = stored(tmp_path / "ended.db", [begun, ended])
    assert stored(tmp_path / "begun.db", [ended, begun, ended]) == expected
    (sums,) = usage(tmp_path / "ended.db", DAY, DAY)
    assert (sums.steps, sums.output, sums.reported) == (1, 50, 500)


def test_the_sums_are_those_of_the_steps(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    stored(path, RECORDS)
    (all_,) = usage(path, DAY, DAY + 1)
    assert (all_.steps, all_.reported, all_.estimated, all_.unpriced) == (5, 4_570, 2_007, 1)
    assert (all_.tokens, all_.cache_read) == (5 * 18, 500)
    by_model = {sums.group: sums.steps for sums in usage(path, DAY, DAY + 1, "model")}
    assert by_model == {"p/m": 4, "anthropic/m": 1}
    assert {sums.group: sums.steps for sums in usage(path, DAY, DAY, "program")} == {"opencode": 3, "claude": 1}
    assert active_roots(path, DAY, DAY + 1) == 2  # a subagent counts at its root
    assert active_roots(path, DAY + 1, DAY + 1) == 1


def test_a_session_that_is_a_subagent_after_all_moves_its_steps(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    stored(path, [step(1, "child"), SessionRecord("child", parent="root", host="desk", directory="/p")])
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT sub, directory, steps FROM daily JOIN place ON place = place.id").fetchall()
    assert rows == [(1, "/p", 1)]


def test_an_unknown_history_is_empty(tmp_path: Path) -> None:
    assert usage(tmp_path / "none.db", DAY, DAY, "model") == []
    assert active_roots(tmp_path / "none.db", DAY, DAY) == 0


def test_a_damaged_history_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    stored(path, RECORDS)
    path.write_bytes(b"no database " * 1000)
    connection, problem = open_history(path)
    connection.close()
    assert "was damaged" in problem
    assert usage(path, DAY, DAY) == []
    (renamed,) = [file for file in tmp_path.iterdir() if "damaged" in file.name and file.suffix != ".db-wal"]
    assert renamed.read_bytes().startswith(b"no database")


def test_the_history_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    stored(path, RECORDS)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(HistoryError, match="newer version"):
        open_history(path)


def test_two_programs_may_create_the_history_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    start = threading.Barrier(4)

    def store(number: int) -> None:
        start.wait()
        connection, problem = open_history(path)
        with closing(connection):
            assert problem == ""
            Recorder(connection).store([step(number)])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(store, range(4)))
    assert sum(sums.steps for sums in usage(path, DAY, DAY)) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="Windows guards the profile folder, not the file")
def test_only_the_owner_can_read_the_history(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "history.db"
    stored(path, RECORDS)
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_failed_batch_stores_nothing(tmp_path: Path) -> None:
    connection, _ = open_history(tmp_path / "history.db")
    with closing(connection):
        recorder = Recorder(connection)
        broken = step(2, tokens=Tokens(10**30))
        with pytest.raises(OverflowError):
            recorder.store([step(1), broken])
        assert dump(connection) == [[] for _ in LOGICAL]
        recorder.store(random.sample(RECORDS, len(RECORDS)))
        assert dump(connection) == stored(tmp_path / "expected.db", RECORDS)


def test_a_removed_session_keeps_its_numbers_and_is_not_recorded_with_text_again(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    connection, _ = open_history(path)
    with closing(connection):
        recorder = Recorder(connection)
        recorder.store(RECORDS)
        before = usage(path, DAY, DAY + 1, "model")
        assert recorder.remove(["root"], with_steps=False) == 2  # with its subagent
        recorder.store([*RECORDS, TurnRecord("root", 5_000, 6_000, DAY, TurnOutcome.COMPLETED)])
        assert usage(path, DAY, DAY + 1, "model") == before
        sessions, *_, turns, requests, edits, texts = dump(connection)
        assert ({row[5] for row in sessions}, turns, requests, len(edits), texts) == ({""}, [], [], 1, [])
        recorder.store([step(9, reported=1)])
        assert sum(sums.steps for sums in usage(path, DAY, DAY)) == 5


def test_a_session_that_was_removed_with_its_numbers_is_in_no_sum(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    connection, _ = open_history(path)
    with closing(connection):
        recorder = Recorder(connection)
        recorder.store(RECORDS)
        assert recorder.remove(["child", "root"], with_steps=True) == 2  # the subagent is counted once
        recorder.store([*RECORDS, step(9)])
        (sums,) = usage(path, DAY, DAY + 1)
        assert (sums.steps, sums.estimated) == (1, 7)  # of the other session
        assert {row[0] for row in dump(connection)[3]} == {"claude"}
        assert recorder.remove(["unknown"], with_steps=True) == 0


@pytest.mark.parametrize("with_steps", [False, True])
def test_a_subagent_that_is_reported_after_the_removal_is_removed_as_well(tmp_path: Path, with_steps: bool) -> None:
    connection, _ = open_history(tmp_path / "history.db")
    with closing(connection):
        recorder = Recorder(connection)
        recorder.store(RECORDS)
        recorder.remove(["root"], with_steps=with_steps)
        late = SessionRecord("late", parent="root", title="Secret")
        recorder.store([SessionRecord("deeper", parent="late", title="Secret"), late])
        recorder.store([late, SessionRecord("deeper", title="Secret")])
        titles = {row[0] for row in connection.execute("SELECT title FROM session WHERE uid IN ('late', 'deeper')")}
        assert titles == {""}


def test_expired_steps_stay_in_the_sums_and_are_not_stored_again(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    connection, _ = open_history(path)
    with closing(connection):
        recorder = Recorder(connection)
        recorder.store(RECORDS)
        before = usage(path, DAY, DAY + 1, "day")
        recorder.store([StepsExpired(DAY + 1)])
        assert [row[4] for row in dump(connection)[1]] == [DAY + 1]
        recorder.store(RECORDS)
        Recorder(connection).store(RECORDS)
        recorder.compact()
        assert usage(path, DAY, DAY + 1, "day") == before


def test_compacting_gives_back_what_removed_sessions_have_used(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    connection, _ = open_history(path)
    with closing(connection):
        recorder = Recorder(connection)
        names = [f"ses_{number}" for number in range(300)]
        recorder.store([SessionRecord(name, host="desk", title=f"{name} {'some words ' * 15}") for name in names])
        recorder.store([TurnRecord(name, n, n + 1, DAY, prompt="x y z " * 30) for name in names for n in range(9)])
        recorder.compact()
        before = path.stat().st_size
        recorder.remove(names, with_steps=True)
        recorder.compact()
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert path.stat().st_size < before / 5


def test_old_steps_that_are_imported_after_an_expiry_are_in_the_sums(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    connection, _ = open_history(path)
    with closing(connection):
        recorder = Recorder(connection)
        recorder.store([StepsExpired(DAY + 2)])
        recorder.store(RECORDS)
        before = usage(path, DAY, DAY + 1, "day")
        assert sum(sums.steps for sums in before) > 0
        recorder.store([StepsExpired(DAY + 2), *RECORDS])
        assert dump(connection)[1] == []
        assert usage(path, DAY, DAY + 1, "day") == before
