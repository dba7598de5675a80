"""Sessions seen from outside, through all that can lie in a data folder."""

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

import pytest

from fakes import until
from stored_sessions import Database, assistant, user, write_json_storage
from tray.core.events import SourceEvent
from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex
from tray.opencode.processes import OpenCodeProcess
from tray.sources.local.sessions import LocalSessions

WORK = "/work"


def now() -> int:
    return time.time_ns() // 1_000_000


STARTED = now() - 60_000  # when the processes of these tests began
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
        await until(lambda: self.status(name) == status, 10)


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


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 40))


@pytest.fixture
def made(tmp_path: Path) -> Database:
    """A database with one session that works."""
    database = Database(tmp_path / "opencode.db")
    database.session("ses_1", now())
    *_, last = database.messages("ses_1", [user(STARTED + 1), assistant(STARTED + 2)])
    database.parts("ses_1", last, [{"type": "text", "text": "hello"}])
    return database


def test_a_session_is_seen_to_work_wait_end_and_go(made: Database) -> None:
    async def story() -> None:
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
            await watch.shows(None)  # it had nothing to do any more

    run(story())


def test_a_process_that_died_at_work_is_shown_and_said_to_be_gone(made: Database) -> None:
    async def story() -> None:
        async with watching(process(made.path.parent)) as watch:
            await watch.shows("busy")
            watch.local.follow([], ())
            await watch.shows("disconnected")

    run(story())


@pytest.mark.parametrize(
    ("end", "shown"), [({"finish": "stop"}, "completed"), ({"error": {"name": "APIError"}}, "error")]
)
def test_how_an_opencode_run_ended_is_shown_though_its_last_words_were_not_read_before(
    made: Database, end: dict[str, Any], shown: str
) -> None:
    async def story() -> None:
        one = process(made.path.parent)
        one = OpenCodeProcess(1, one.started, WORK, ("run", "hello"), one.data)
        async with watching(one) as watch:
            await watch.shows("busy")
            time = {"created": STARTED + 4, "completed": now()}
            made.messages("ses_1", [assistant(STARTED + 4, **end, time=time)])
            watch.local.follow([], ())
            await until(lambda: not any(server.connected for server in watch.fleet.servers.values()), 10)
            assert watch.status() == shown

    run(story())


def test_who_a_better_source_tells_of_is_not_read(made: Database) -> None:
    async def story() -> None:
        one = process(made.path.parent)
        async with watching(one) as watch:
            await watch.shows("busy")
            watch.local.follow([one], {(1, WORK)})
            await watch.shows(None)
            assert watch.fleet.servers == {}
            watch.local.follow([one], ())
            await watch.shows("busy")

    run(story())


def spoil_a_row(data: Path) -> None:
    with closing(sqlite3.connect(data / "opencode.db", isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO session (id, project_id, slug, directory, title, version, time_created, time_updated)"
            " VALUES ('ses_bad', 'p', 's', '/work', x'ff', '1', 'soon', 9e18)"
        )
        connection.execute(
            "INSERT INTO part VALUES ('prt_zz', (SELECT max(id) FROM message), 'ses_1', 1, 1, '{broken')"
        )


def spoil_a_log(data: Path) -> None:
    (data / "log").mkdir()
    (data / "log" / "2026-13-41T999999.log").write_text("INFO x\n", encoding="utf-8")
    (data / "log" / "opencode.log").write_bytes(b"\xff\x00 message=asking\n" * 100)


def spoil_another_database(data: Path) -> None:
    (data / "opencode-dev.db").write_bytes(b"this is no database" * 100)


def leave_an_old_copy(data: Path) -> None:
    copy = Database(data / "opencode_backup.db")
    copy.session("ses_1", STARTED + 1)
    copy.messages(
        "ses_1", [assistant(STARTED + 1, finish="stop", time={"created": STARTED + 1, "completed": STARTED + 2})]
    )


def make_a_circle(data: Path) -> None:
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
    "spoil",
    [spoil_a_row, spoil_a_log, spoil_another_database, leave_an_old_copy, make_a_circle],
    ids=lambda f: f.__name__,
)
def test_what_else_lies_in_the_folder_hides_no_session(made: Database, spoil: Callable[[Path], None]) -> None:
    async def story() -> None:
        spoil(made.path.parent)
        async with watching(process(made.path.parent)) as watch:
            await watch.shows("busy")

    run(story())


def test_half_a_character_costs_nothing(made: Database) -> None:
    async def story() -> None:
        with closing(made.connect()) as connection:
            told = json.dumps({**RUNNING, "state": {**RUNNING["state"], "input": {"command": "echo \ud83d"}}})  # type: ignore[dict-item]
            connection.execute(
                "INSERT INTO part VALUES ('prt_zz', (SELECT max(id) FROM message), 'ses_1', 1, 1, ?)", (told,)
            )
        async with watching(process(made.path.parent)) as watch:
            await watch.shows("waiting_for_permission")

    run(story())


def test_two_versions_of_opencode_on_one_data_folder_are_both_seen(made: Database) -> None:
    async def story() -> None:
        data = made.path.parent
        older = {"id": "ses_2", "title": "Older", "directory": "/older", "time": {"created": STARTED, "updated": now()}}
        write_json_storage(data / "storage", older, [user(STARTED + 1), assistant(STARTED + 2)], [])
        async with watching(process(data), process(data, 2, "/older")) as watch:
            await watch.shows("busy")
            await watch.shows("busy", "ses_2")

    run(story())


@pytest.mark.parametrize("first", ["/asks", "/thinks"])
def test_a_permission_is_seen_in_time_whoever_else_is_read_again_later(tmp_path: Path, first: str) -> None:
    """One shows its permission by the passing of time alone; another's model may think for a minute yet."""

    async def story() -> None:
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

    run(story())


def test_a_database_of_its_own_is_read_besides_the_usual_one(made: Database) -> None:
    async def story() -> None:
        data = made.path.parent
        other = Database(data / "mine.sqlite")
        other.session("ses_2", now(), directory="/mine")
        other.messages("ses_2", [assistant(STARTED + 2)])
        async with watching(process(data), process(data, 2, "/mine", OPENCODE_DB="mine.sqlite")) as watch:
            await watch.shows("busy")
            await watch.shows("busy", "ses_2")

    run(story())


def test_a_database_that_cannot_be_read_for_a_while_takes_no_session_with_it(
    made: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with watching(process(made.path.parent)) as watch:
            await watch.shows("busy")
            made.close()
            with closing(made.connect()) as alone:
                alone.execute("PRAGMA locking_mode = EXCLUSIVE")
                alone.execute("UPDATE session SET time_updated = time_updated + 1")
                await until(lambda: "cannot be read: database is locked" in caplog.text, 10)
                assert watch.status() == "busy"
            made.messages(
                "ses_1", [assistant(STARTED + 4, finish="stop", time={"created": STARTED + 4, "completed": now()})]
            )
            await watch.shows("completed")

    with caplog.at_level("DEBUG"):
        run(story())


def test_a_database_that_was_locked_at_the_first_reading_is_read_again(
    made: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        made.close()
        with closing(made.connect()) as alone:
            alone.execute("SELECT count(*) FROM session").fetchone()  # makes the index, so that it can let go later
            alone.execute("PRAGMA locking_mode = EXCLUSIVE")
            alone.execute("UPDATE session SET time_updated = time_updated + 1")
            async with watching(process(made.path.parent)) as watch:
                await until(lambda: "cannot be read: database is locked" in caplog.text, 10)
                alone.execute("PRAGMA locking_mode = NORMAL")
                alone.execute("SELECT count(*) FROM session").fetchone()  # lets go, and writes nothing
                await watch.shows("busy")

    with caplog.at_level("DEBUG"):
        run(story())


UNPRIVILEGED = ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search")


@pytest.mark.skipif(sys.platform == "win32", reason="its folders are not closed by a mode")
def test_a_folder_that_we_may_not_enter_costs_no_other(
    made: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    closed = tmp_path / "closed"
    (closed / "opencode").mkdir(parents=True)
    closed.chmod(0)

    async def story() -> None:
        async with watching(process(closed / "opencode", 2, "/elsewhere"), process(made.path.parent)) as watch:
            await watch.shows("busy")

    try:
        if not os.access(closed / "opencode", os.F_OK):
            run(story())
            return
    finally:
        closed.chmod(0o700)
    # Root may enter every folder: once more, as one that may not.
    if shutil.which(UNPRIVILEGED[0]) is None or subprocess.run([*UNPRIVILEGED, "true"], check=False).returncode != 0:
        pytest.skip("root enters every folder, and nothing here takes that from it")
    again = [*UNPRIVILEGED, sys.executable, "-m", "pytest", "-q", f"{__file__}::{request.node.name}"]
    done = subprocess.run(again, cwd=request.config.rootpath, capture_output=True, text=True, timeout=60, check=False)
    assert "1 passed" in done.stdout, done.stdout


def test_a_process_that_came_and_went_without_a_session_is_nothing_to_show(tmp_path: Path) -> None:
    async def story() -> None:
        Database(tmp_path / "opencode.db")
        async with watching(process(tmp_path)) as watch:
            await until(lambda: any(server.live for server in watch.fleet.servers.values()), 10)
            watch.local.follow([], ())
            await until(lambda: watch.fleet.servers == {}, 10)

    run(story())
