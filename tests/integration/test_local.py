"""Sessions read from data folders, with all kinds of files in them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from stored_sessions import Database, assistant, user, write_json_storage
from tray.core.events import SourceEvent
from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex
from tray.opencode.processes import OpenCodeProcess
from tray.sources.local.sessions import LocalSessions
from waiting import until_async as until

WORK = "/work"


def now() -> int:
    return time.time_ns() // 1_000_000


STARTED = now() - 60_000  # when the processes of these tests started
RUNNING = {
    "type": "tool",
    "tool": "bash",
    "state": {"status": "running", "input": {"command": "ls"}, "time": {"start": 1}},
}


def process(data: Path, pid: int = 1, directory: str = WORK, **environment: str) -> OpenCodeProcess:
    return OpenCodeProcess(pid, STARTED / 1000, directory, (), data, environment=environment)


class Watch:
    def __init__(self) -> None:
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.local = LocalSessions(self._take, now)

    def _take(self, event: SourceEvent) -> None:
        self.index.update(self.fleet.apply(event, now()))

    def status(self, name: str = "ses_1") -> str | None:
        row = self.index.row(name)
        return row.status.value if row is not None else None

    async def shows(self, status: str | None, name: str = "ses_1") -> None:
        await until(lambda: self.status(name) == status, deadline=10)


@asynccontextmanager
async def watching(*processes: OpenCodeProcess) -> AsyncIterator[Watch]:
    watch = Watch()
    running = asyncio.create_task(watch.local.run())
    watch.local.follow(processes, ())
    try:
        yield watch
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait([running])


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 40))


@pytest.fixture
def made(tmp_path: Path) -> Database:
    """A database with one busy session."""
    database = Database(tmp_path / "opencode.db")
    database.session("ses_1", now())
    *_, last = database.messages("ses_1", [user(STARTED + 1), assistant(STARTED + 2)])
    database.parts("ses_1", last, [{"type": "text", "text": "hello"}])
    return database


def test_a_session_becomes_busy_waiting_completed_and_removed(made: Database) -> None:
    async def scenario() -> None:
        data = made.path.parent
        async with watching(process(data)) as watch:
            await watch.shows("busy")
            *_, last = made.messages("ses_1", [assistant(STARTED + 3)])
            made.parts("ses_1", last, [RUNNING])
            await watch.shows("waiting_for_permission")
            made.messages(
                "ses_1", [assistant(STARTED + 4, finish="stop", time={"created": STARTED + 4, "completed": now()})]
            )
            await watch.shows("completed")
            watch.local.follow([], ())
            await watch.shows(None)  # an idle session is not shown after the end of its process

    run(scenario())


def test_a_session_whose_process_ended_during_a_turn_is_disconnected(made: Database) -> None:
    async def scenario() -> None:
        async with watching(process(made.path.parent)) as watch:
            await watch.shows("busy")
            watch.local.follow([], ())
            await watch.shows("disconnected")

    run(scenario())


@pytest.mark.parametrize(
    ("end", "shown"), [({"finish": "stop"}, "completed"), ({"error": {"name": "APIError"}}, "error")]
)
def test_the_outcome_of_opencode_run_is_read_after_its_end(made: Database, end: dict[str, Any], shown: str) -> None:
    async def scenario() -> None:
        one = process(made.path.parent)
        one = OpenCodeProcess(1, one.started, WORK, ("run", "hello"), one.data)
        async with watching(one) as watch:
            await watch.shows("busy")
            time = {"created": STARTED + 4, "completed": now()}
            made.messages("ses_1", [assistant(STARTED + 4, **end, time=time)])
            watch.local.follow([], ())
            await until(lambda: not any(server.connected for server in watch.fleet.servers.values()), deadline=10)
            assert watch.status() == shown

    run(scenario())


def test_a_process_of_a_better_source_is_not_read(made: Database) -> None:
    async def scenario() -> None:
        one = process(made.path.parent)
        async with watching(one) as watch:
            await watch.shows("busy")
            watch.local.follow([one], {(1, WORK)})
            await watch.shows(None)
            assert watch.fleet.servers == {}
            watch.local.follow([one], ())
            await watch.shows("busy")

    run(scenario())


def add_an_invalid_row(data: Path) -> None:
    with closing(sqlite3.connect(data / "opencode.db", isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO session (id, project_id, slug, directory, title, version, time_created, time_updated)"
            " VALUES ('ses_bad', 'p', 's', '/work', x'ff', '1', 'soon', 9e18)"
        )
        connection.execute(
            "INSERT INTO part VALUES ('prt_zz', (SELECT max(id) FROM message), 'ses_1', 1, 1, '{broken')"
        )


def add_an_invalid_text(data: Path) -> None:
    with closing(sqlite3.connect(data / "opencode.db", isolation_level=None)) as connection:
        connection.execute("UPDATE session SET title = CAST(x'f09f' AS TEXT)")  # half an emoji


def add_an_invalid_log(data: Path) -> None:
    (data / "log").mkdir()
    (data / "log" / "2026-13-41T999999.log").write_text("INFO x\n", encoding="utf-8")
    (data / "log" / "opencode.log").write_bytes(b"\xff\x00 message=asking\n" * 100)


def add_an_invalid_database(data: Path) -> None:
    (data / "opencode-dev.db").write_bytes(b"this is not a database" * 100)


def add_an_old_copy(data: Path) -> None:
    copy = Database(data / "opencode_backup.db")
    copy.session("ses_1", STARTED + 1)
    copy.messages(
        "ses_1", [assistant(STARTED + 1, finish="stop", time={"created": STARTED + 1, "completed": STARTED + 2})]
    )


def add_a_circle_of_parents(data: Path) -> None:
    made = [("ses_a", "ses_b"), ("ses_b", "ses_a")]
    with closing(sqlite3.connect(data / "opencode.db", isolation_level=None)) as connection:
        for name, parent in made:
            connection.execute(
                "INSERT INTO session"
                " (id, project_id, parent_id, slug, directory, title, version, time_created, time_updated)"
                " VALUES (?, 'p', ?, 's', '/work', 't', '1', 1, ?)",
                (name, parent, now()),
            )


@pytest.mark.parametrize(
    "add",
    [
        add_an_invalid_row, add_an_invalid_text, add_an_invalid_log, add_an_invalid_database, add_an_old_copy,
        add_a_circle_of_parents,
    ],
    ids=lambda f: f.__name__,
)  # fmt: skip
def test_invalid_data_in_the_folder_hides_no_session(made: Database, add: Callable[[Path], None]) -> None:
    async def scenario() -> None:
        add(made.path.parent)
        async with watching(process(made.path.parent)) as watch:
            await watch.shows("busy")

    run(scenario())


def test_a_command_with_a_lone_surrogate_is_shown(made: Database) -> None:
    async def scenario() -> None:
        with closing(made.connect()) as connection:
            data = json.dumps({**RUNNING, "state": {**RUNNING["state"], "input": {"command": "echo \ud83d"}}})  # type: ignore[dict-item]
            connection.execute(
                "INSERT INTO part VALUES ('prt_zz', (SELECT max(id) FROM message), 'ses_1', 1, 1, ?)", (data,)
            )
        async with watching(process(made.path.parent)) as watch:
            await watch.shows("waiting_for_permission")
            row = watch.index.row("ses_1")
            assert row is not None
            assert row.requests[0].detail == "echo \ufffd"

    run(scenario())


def test_two_versions_of_opencode_in_one_data_folder_are_both_read(made: Database) -> None:
    async def scenario() -> None:
        data = made.path.parent
        older = {"id": "ses_2", "title": "Older", "directory": "/older", "time": {"created": STARTED, "updated": now()}}
        write_json_storage(data / "storage", older, [user(STARTED + 1), assistant(STARTED + 2)], [])
        async with watching(process(data), process(data, 2, "/older")) as watch:
            await watch.shows("busy")
            await watch.shows("busy", "ses_2")

    run(scenario())


@pytest.mark.parametrize("first", ["/asks", "/thinks"])
def test_a_permission_is_found_in_time_though_another_session_is_due_later(tmp_path: Path, first: str) -> None:
    """One session shows its permission by the passing of time alone; the other one may be thinking for a minute."""

    async def scenario() -> None:
        database = Database(tmp_path / "opencode.db")
        for name, directory in (("ses_1", "/asks"), ("ses_2", "/thinks")):
            database.session(name, now(), directory=directory)
        called = now()
        *_, last = database.messages("ses_1", [user(called - 20), assistant(called - 10)])
        part = {**RUNNING, "state": {**RUNNING["state"], "time": {"start": called}}}  # type: ignore[dict-item]
        database.parts("ses_1", last, [part])
        database.messages("ses_2", [user(called)])
        processes = [process(tmp_path, 1, "/asks"), process(tmp_path, 2, "/thinks")]
        async with watching(*sorted(processes, key=lambda one: one.directory != first)) as watch:
            await watch.shows("busy", "ses_2")
            await watch.shows("waiting_for_permission")

    run(scenario())


def test_the_database_of_opencode_db_is_read_besides_the_default_one(made: Database) -> None:
    async def scenario() -> None:
        data = made.path.parent
        other = Database(data / "mine.sqlite")
        other.session("ses_2", now(), directory="/mine")
        other.messages("ses_2", [assistant(STARTED + 2)])
        async with watching(process(data), process(data, 2, "/mine", OPENCODE_DB="mine.sqlite")) as watch:
            await watch.shows("busy")
            await watch.shows("busy", "ses_2")

    run(scenario())


def test_the_sessions_of_a_locked_database_stay(made: Database, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with watching(process(made.path.parent)) as watch:
            await watch.shows("busy")
            made.close()
            with closing(made.connect()) as alone:
                alone.execute("PRAGMA locking_mode = EXCLUSIVE")
                alone.execute("UPDATE session SET time_updated = time_updated + 1")
                await until(lambda: "opencode.db: database is locked" in caplog.text, deadline=10)
                assert watch.status() == "busy"
            made.messages(
                "ses_1", [assistant(STARTED + 4, finish="stop", time={"created": STARTED + 4, "completed": now()})]
            )
            await watch.shows("completed")

    with caplog.at_level("DEBUG"):
        run(scenario())


def test_a_database_that_is_locked_at_the_first_reading_is_read_again(
    made: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        made.close()
        with closing(made.connect()) as alone:
            alone.execute("SELECT count(*) FROM session").fetchone()  # creates the index: releasable lock
            alone.execute("PRAGMA locking_mode = EXCLUSIVE")
            alone.execute("UPDATE session SET time_updated = time_updated + 1")
            async with watching(process(made.path.parent)) as watch:
                await until(lambda: "opencode.db: database is locked" in caplog.text, deadline=10)
                alone.execute("PRAGMA locking_mode = NORMAL")
                alone.execute("SELECT count(*) FROM session").fetchone()  # releases the lock without a write
                await watch.shows("busy")

    with caplog.at_level("DEBUG"):
        run(scenario())


UNPRIVILEGED = ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search")


@pytest.mark.skipif(sys.platform == "win32", reason="the mode does not restrict access to its folders")
def test_an_inaccessible_folder_does_not_affect_others(
    made: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    closed = tmp_path / "closed"
    (closed / "opencode").mkdir(parents=True)
    closed.chmod(0)

    async def scenario() -> None:
        async with watching(process(closed / "opencode", 2, "/elsewhere"), process(made.path.parent)) as watch:
            await watch.shows("busy")

    try:
        if not os.access(closed / "opencode", os.F_OK):
            run(scenario())
            return
    finally:
        closed.chmod(0o700)
    # Root may enter every folder: run the test again without that capability.
    if shutil.which(UNPRIVILEGED[0]) is None or subprocess.run([*UNPRIVILEGED, "true"], check=False).returncode != 0:
        pytest.skip("root may enter every folder, and setpriv cannot change that here")
    command = [*UNPRIVILEGED, sys.executable, "-m", "pytest", "-q", f"{__file__}::{request.node.name}"]
    done = subprocess.run(command, cwd=request.config.rootpath, capture_output=True, text=True, timeout=60, check=False)
    assert "1 passed" in done.stdout, done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a log is closed after each reading there")
def test_the_logs_of_a_data_folder_are_closed_after_the_end_of_its_last_process(made: Database) -> None:
    data = made.path.parent
    (data / "log").mkdir()
    log = data / "log" / "opencode.log"
    log.write_text("timestamp=2026-11-21T19:05:24.564Z level=INFO run=1 message=x\n", encoding="utf-8")

    def is_open() -> bool:
        return str(log) in {file.path for file in psutil.Process().open_files()}

    async def scenario() -> None:
        async with watching(process(data)) as watch:
            await until(is_open, deadline=10)
            watch.local.follow([], ())
            await until(lambda: not is_open(), deadline=10)

    run(scenario())


def test_a_process_that_ends_without_a_session_is_not_shown(tmp_path: Path) -> None:
    async def scenario() -> None:
        Database(tmp_path / "opencode.db")
        async with watching(process(tmp_path)) as watch:
            await until(lambda: any(server.live for server in watch.fleet.servers.values()), deadline=10)
            watch.local.follow([], ())
            await until(lambda: watch.fleet.servers == {}, deadline=10)

    run(scenario())
