"""OpenCode's database and files are read without locks or changes, and only in part."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from real_windows import IS_WINE
from stored_sessions import OUTPUT, Database, assistant, user, write_json_storage
from tray.core.messages import Tokens
from tray.opencode.session_count import count_sessions
from tray.opencode.sqlite import databases
from tray.sources.local import database, json_storage
from tray.sources.local.inference import infer
from tray.sources.local.records import StoredSession
from tray.sources.stored.opencode import opencode_sources

RUNNING = {"type": "tool", "tool": "bash", "callID": "c", "state": {"status": "running", "input": {"command": "ls"}}}
ENDED = {"type": "tool", "tool": "bash", "callID": "d", "state": {"status": "completed", "output": OUTPUT, "input": {}}}
TEXT = {"type": "text", "text": "one\ntwo"}


@pytest.fixture
def made(tmp_path: Path) -> Database:
    return Database(tmp_path / "opencode.db")


def read(made: Database, since: int = 100, *also: str) -> dict[str, StoredSession]:
    return {one.info.id: one for one in database.read_sessions(made.path, {"/work"}, since, also)}


def test_a_session_is_read_with_its_newest_messages_parts_and_todos(made: Database) -> None:
    made.session("ses_1", 200, summary_additions=3)
    *_, last = made.messages("ses_1", [user(150), assistant(160)])
    made.parts("ses_1", last, [TEXT, ENDED, RUNNING])
    with closing(made.connect()) as connection:
        connection.execute("INSERT INTO todo VALUES ('ses_1', 'second', 'pending', 'high', 1, 1, 1)")
        connection.execute("INSERT INTO todo VALUES ('ses_1', 'first', 'completed', 'high', 0, 1, 1)")
    stored = read(made)["ses_1"]
    assert (stored.info.title, stored.info.directory, stored.info.cost, stored.count) == (
        "Title of ses_1",
        "/work",
        1.5,
        2,
    )
    assert stored.info.tokens is not None
    assert (stored.info.tokens.input, stored.info.summary.additions if stored.info.summary else 0) == (100, 3)
    assert [(m.role, m.sessionID) for m in stored.messages] == [("user", "ses_1"), ("assistant", "ses_1")]
    assert [part.tool or part.type for part in stored.parts] == ["text", "bash", "bash"]
    assert [(todo.content, todo.status) for todo in stored.todos] == [("first", "completed"), ("second", "pending")]
    assert b"ls" in bytes(stored.parts[2].state.input) if stored.parts[2].state else False


@pytest.mark.parametrize("own", [2, 30])
def test_messages_copied_into_a_fork_count_in_no_sum(made: Database, own: int) -> None:
    def data(created: int) -> dict[str, object]:
        return assistant(created, finish="stop", time={"created": created, "completed": created + 5})

    forked = 1_795_237_282_131
    total = 25 + own
    sums = {"cost": 0.5 * total, "tokens_input": 1200 * total, "tokens_output": 34 * total}
    made.session("ses_1", forked + 90_000, time_created=forked, **sums)
    copies = [(forked + n, data(forked - 100_000 + n)) for n in range(25)]
    made.messages_with_ids("ses_1", [*copies, *((at, data(at)) for at in range(forked + 500, forked + 500 + own))])
    one = infer(read(made)["ses_1"], (), 0, forked + 90_000, logs_answers=False).facts
    assert one.cost == pytest.approx(0.5 * own)
    assert one.tokens == Tokens(1200 * own, 34 * own)
    assert one.digest is not None
    assert one.digest.cost == pytest.approx(0.5 * min(own, 20))


def test_only_recent_sessions_of_the_directories_and_named_ones_are_read(made: Database) -> None:
    made.session("ses_new", 200)
    made.session("ses_old", 50)
    made.session("ses_elsewhere", 200, directory="/other")
    made.session("ses_archived", 200, time_archived=200)
    made.session("ses_named", 50, directory="/other")
    made.session("ses_child", 40, parent="ses_new", directory="/other")
    made.session("ses_grandchild", 40, parent="ses_child", directory="/other")
    assert set(read(made, 100, "ses_named")) == {"ses_new", "ses_named", "ses_child", "ses_grandchild"}


def test_a_database_of_1_2_without_token_columns_is_read(made: Database) -> None:
    with closing(made.connect()) as connection:
        for column in (
            "agent",
            "model",
            "cost",
            *(f"tokens_{n}" for n in ("input", "output", "reasoning", "cache_read", "cache_write")),
        ):
            connection.execute(f"ALTER TABLE session DROP COLUMN {column}")
        connection.execute(
            "INSERT INTO session (id, project_id, slug, directory, title, version, time_created, time_updated)"
            " VALUES ('ses_1', 'p', 's', '/work', 't', '1.2.27', 1, 200)"
        )
    stored = read(made)["ses_1"]
    assert (stored.info.cost, stored.info.tokens) == (None, None)


def test_only_unreadable_records_are_skipped(made: Database) -> None:
    made.session("ses_1", 200)
    made.messages("ses_1", [user(150)])
    with closing(made.connect()) as connection:
        connection.execute("INSERT INTO message VALUES ('msg_z', 'ses_1', 999, 1, '{broken')")
        connection.execute("INSERT INTO message VALUES ('msg_y', 'ses_1', 998, 1, '[]')")
        connection.execute("INSERT INTO part VALUES ('prt_z', 'msg_z', 'ses_1', 1, 1, '{\"type\": \"text\"}')")
    stored = read(made)["ses_1"]
    assert [message.role for message in stored.messages] == ["user"]


def test_the_databases_are_all_of_opencodes_names_or_the_configured_one(tmp_path: Path) -> None:
    for name in ("opencode.db", "opencode-dev.db", "opencode-local.db", "mine.sqlite"):
        Database(tmp_path / name)
    names = [path.name for path in databases(tmp_path)]
    assert names == ["opencode-dev.db", "opencode-local.db", "opencode.db"]
    assert databases(tmp_path, "mine.sqlite") == [tmp_path / "mine.sqlite"]
    assert databases(tmp_path, str(tmp_path / "mine.sqlite")) == [tmp_path / "mine.sqlite"]
    assert databases(tmp_path, ":memory:") == []
    assert databases(tmp_path, "nowhere.db") == []


WRITER = """
import sqlite3, sys
from contextlib import closing

while True:
    with closing(sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for _ in range(20):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE session SET time_updated = time_updated + 1")
            connection.execute("COMMIT")
    print("closed", flush=True)
"""


def test_a_writer_and_a_reader_do_not_block_each_other(made: Database) -> None:
    """The writer opens the database again and again, commits as fast as possible, and fails at any lock."""
    made.session("ses_1", 200)
    made.close()
    with subprocess.Popen([sys.executable, "-c", WRITER, str(made.path)], stdout=subprocess.PIPE) as writer:
        try:
            end, stamps = time.monotonic() + 60, [0.0]
            while len(set(stamps)) < 500 and time.monotonic() < end:
                updated = read(made)["ses_1"].info.time
                stamps.append(updated.updated if updated is not None else 0)
            assert writer.poll() is None, "the writer failed at a lock"
        finally:
            writer.kill()
            output = writer.stdout.read() if writer.stdout is not None else b""
    assert IS_WINE or stamps == sorted(stamps)  # there, a reader may see an older commit for a moment
    assert len(set(stamps)) >= 500, f"the writer did not progress: {stamps[-1]}"
    assert output.count(b"closed") > 2


def test_a_closed_database_is_read_without_creating_files(made: Database) -> None:
    made.session("ses_1", 200)
    made.close()
    assert set(read(made)) == {"ses_1"}
    assert [file.name for file in made.path.parent.iterdir()] == ["opencode.db"]


def test_a_database_of_a_killed_opencode_is_read_and_its_wal_is_unchanged(made: Database) -> None:
    made.close()
    killed = (
        "import os, sqlite3, sys; connection = sqlite3.connect(sys.argv[1], isolation_level=None);"
        'connection.execute("INSERT INTO session (id, project_id, slug, directory, title, version, time_created,'
        " time_updated) VALUES ('ses_1', 'p', 's', '/work', 't', '1', 1, 200)\"); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", killed, str(made.path)], check=False, timeout=30)
    before = {file.name: file.read_bytes() for file in made.path.parent.iterdir()}
    assert set(before) == {"opencode.db", "opencode.db-shm", "opencode.db-wal"}
    assert set(read(made)) == {"ses_1"}
    assert {file.name: file.read_bytes() for file in made.path.parent.iterdir()} == before


def test_reading_keeps_no_connection_so_the_last_writer_removes_the_wal(made: Database) -> None:
    connection = made.connect()
    made.close()
    connection.execute(
        "INSERT INTO session (id, project_id, slug, directory, title, version, time_created, time_updated)"
        " VALUES ('ses_1', 'p', 's', '/work', 't', '1', 1, 200)"
    )
    assert set(read(made)) == {"ses_1"}
    assert made.path.with_name("opencode.db-wal").exists()
    connection.close()
    assert not made.path.with_name("opencode.db-wal").exists()


def test_a_long_history_is_not_read_completely(made: Database) -> None:
    made.fill(sessions=50, messages=40, parts=2)
    made.session("ses_1", 100_000)
    made.messages("ses_1", [assistant(90_000 + n, finish="stop") for n in range(500)])
    one = read(made, 50_000)
    assert set(one) == {"ses_1"}
    assert (one["ses_1"].count, len(one["ses_1"].messages)) == (500, 20)
    assert one["ses_1"].messages[-1].id.endswith("90499")


def test_the_sessions_of_a_directory_are_counted_in_all_databases_or_else_in_the_files(tmp_path: Path) -> None:
    session = {"id": "ses_1", "title": "Work", "directory": "/work", "time": {"created": 1, "updated": 200}}
    write_json_storage(tmp_path / "storage", session, [], [])
    write_json_storage(tmp_path / "storage", {**session, "id": "ses_2", "parentID": "ses_1"}, [], [])
    assert count_sessions(tmp_path, "/work") == 1
    here, other = Database(tmp_path / "opencode.db"), Database(tmp_path / "opencode-dev.db")
    for name, made in (("ses_1", here), ("ses_3", here), ("ses_4", other)):
        made.session(name, 200)
    here.session("ses_5", 200, parent="ses_1")
    here.session("ses_6", 200, time_archived=200)
    assert (count_sessions(tmp_path, "/work"), count_sessions(tmp_path, "/other")) == (3, 0)


# ---------------------------------------------------------------------- before 1.2


def test_the_json_files_of_1_1_give_the_same_records(tmp_path: Path) -> None:
    session = {"id": "ses_1", "title": "Work", "directory": "/work", "time": {"created": 1, "updated": 200}}
    write_json_storage(tmp_path, session, [user(150), assistant(160)], [TEXT, RUNNING])
    write_json_storage(tmp_path, {"id": "ses_2", "title": "Sub", "directory": "/x", "parentID": "ses_1"}, [user(1)], [])
    write_json_storage(tmp_path, {"id": "ses_3", "title": "Other", "directory": "/x"}, [user(1)], [])
    write_json_storage(
        tmp_path, {**session, "id": "ses_4", "time": {"created": 1, "updated": 2, "archived": 3}}, [], []
    )
    (tmp_path / "todo").mkdir()
    (tmp_path / "todo" / "ses_1.json").write_text('[{"content": "one", "status": "pending"}]', encoding="utf-8")
    found = {one.info.id: one for one in json_storage.read_sessions(tmp_path, {"/work"}, 0, ())}
    assert set(found) == {"ses_1", "ses_2"}
    one = found["ses_1"]
    assert (one.info.title, one.count, [m.role for m in one.messages]) == ("Work", 2, ["user", "assistant"])
    assert [part.tool or part.text for part in one.parts] == ["one\ntwo", "bash"]
    assert [todo.content for todo in one.todos] == ["one"]


def test_old_and_truncated_files_are_skipped(tmp_path: Path) -> None:
    write_json_storage(tmp_path, {"id": "ses_old", "title": "Old", "directory": "/work"}, [], [])
    old = tmp_path / "session/project/ses_old.json"
    os.utime(old, (50, 50))
    (tmp_path / "session/project/ses_half.json").write_text('{"id": "ses_h', encoding="utf-8")
    assert json_storage.read_sessions(tmp_path, {"/work"}, 100_000, ()) == []
    assert [one.info.id for one in json_storage.read_sessions(tmp_path, {"/work"}, 100_000, {"ses_old"})] == ["ses_old"]


@pytest.mark.parametrize("value", [b"\xff", None, 2**62, float("inf"), "x"])
@pytest.mark.parametrize(
    ("table", "column"),
    [("message", "data"), ("message", "id"), ("part", "data"), ("part", "id"), ("session", "time_updated")],
)  # fmt: skip
def test_a_value_of_another_type_hides_no_other_session(tmp_path: Path, table: str, column: str, value: Any) -> None:
    """SQLite checks no types, and a damaged or hostile database has other columns than OpenCode's."""
    made = Database(tmp_path / "opencode.db")
    for name in ("ses_1", "ses_2"):
        made.session(name, 200)
        (message,) = made.messages(name, [assistant(150)])
        made.parts(name, message, [TEXT])
    with closing(made.connect()) as connection:
        connection.execute(f"CREATE TABLE other AS SELECT * FROM {table}")  # without its constraints
        connection.execute(f"DROP TABLE {table}")
        connection.execute(f"ALTER TABLE other RENAME TO {table}")
        key = "id" if table == "session" else "session_id"
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = 'ses_1'", (value,))
    assert "ses_2" in read(made)
    (source,) = opencode_sources(tmp_path, "host")
    names = {found.name for found in source.find(0)}
    assert "ses_2" in names
    assert all(source.read(name) for name in names)
