"""Files that an attacker, or an agent that was tricked, has replaced: pipes, devices, endless and hostile ones."""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from stored_sessions import Database, assistant, user
from tray.actions.agent_hooks import AgentHooks
from tray.actions.install import install_plugin
from tray.actions.serve.readiness import last_log_lines
from tray.agents.catalog import AGENTS
from tray.agents.claude.forks import related_files
from tray.agents.claude.limits import LimitsFile
from tray.agents.claude.registry import read_registry
from tray.agents.claude.session_files import SessionFiles
from tray.agents.claude.settings import HookSettings
from tray.agents.codex.home import CodexHome
from tray.agents.codex.trust import are_hooks_trusted
from tray.agents.copilot.open_sessions import OpenSessions
from tray.agents.transcripts import MAX_READ, GrowingFile, last_lines
from tray.cli.log_file import LogFile
from tray.core.errors import UserError
from tray.core.servers import AgentKind
from tray.files.writing import write_privately
from tray.opencode import sqlite
from tray.opencode.configuration import npm_configuration
from tray.opencode.model_prices import ModelPrices
from tray.opencode.session_count import count_sessions
from tray.sources.local import json_storage
from tray.sources.local.database import read_sessions, read_whole_session
from tray.sources.local.logs import Logs
from tray.sources.stored.opencode import opencode_sources
from tray.storage import audit
from tray.storage.cache import read_cache, write_cache
from tray.storage.channel_store import read_channels
from tray.storage.devices import read_devices
from tray.storage.endpoint import read_endpoint
from tray.storage.history.database import open_history
from tray.storage.history.usage import open_for_reading
from tray.storage.remotes import read_remotes
from tray.storage.servers import read_servers
from tray.storage.settings_file import load_settings
from tray.storage.tailnet_entry import read_entry
from tray.storage.team_identity import read_identity
from tray.storage.token import read_token
from tray.system.background_process import launch
from tray.system.entry_file import EntryFile
from tray.system.git import repository_of

resource = pytest.importorskip("resource", reason="Windows has no pipes and devices in folders")

TIME = 5.0  # s in which each reader has to return


def in_time(work: Callable[[], Any], seconds: float = TIME) -> Any:
    """Return the result of a function that blocks, or the error that the program expects; fail if it hangs."""
    results: list[Any] = []

    def target() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001  # for the test's thread
            results.append(error)

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    thread.join(seconds)
    assert results, f"it did not return within {seconds:g} s"
    if isinstance(results[0], BaseException) and not isinstance(results[0], (OSError, UserError, sqlite3.Error)):
        raise results[0]
    return results[0]


def peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


class Nothing:
    """Counts the lines of a transcript."""

    def __init__(self) -> None:
        self.lines = 0

    def add(self, raw: bytes) -> None:
        self.lines += 1


# ------------------------------------------------------------------ what is there in place of a file


def pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def endless(path: Path) -> None:
    """A file of 8 TB, or what the file system allows, that takes no space."""
    path.touch(mode=0o600)
    for size in (2**43, 2**40, 2**34):
        with suppress(OSError):
            os.truncate(path, size)
            return


# The readers, by the path of their file in a folder.
READERS: dict[str, tuple[str, Callable[[Path, Path], Any]]] = {
    "transcript": ("s.jsonl", lambda _, file: GrowingFile(file, Nothing).read()),
    "end of a transcript": ("s.jsonl", lambda _, file: last_lines(file, 1000)),
    "session of Claude Code": ("s.jsonl", lambda _, file: SessionFiles(file).read()),
    "forks": ("s.jsonl", lambda _, file: related_files(file)),
    "registry": ("sessions/1.json", lambda home, _: read_registry(home)),
    "state of Claude Code": (".claude.json", lambda _, file: LimitsFile(file).read(0)),
    "settings of Claude Code": ("settings.json", lambda _, file: HookSettings(file).are_hooks_installed()),
    "daemon of Codex": ("app-server-daemon/daemon.pid", lambda home, _: CodexHome(home).daemon()),
    "titles of Codex": ("session_index.jsonl", lambda home, _: CodexHome(home).titles()),
    "hooks of Codex": ("hooks.json", lambda _, file: are_hooks_trusted(file)),
    "workspace of Copilot": ("session-state/a/workspace.yaml", lambda home, _: copilot_sessions(home)),
    "configuration of OpenCode": ("opencode.json", lambda home, _: npm_configuration(home)),
    "prices": ("opencode/models.json", lambda home, _: ModelPrices({"XDG_CACHE_HOME": str(home)}, home).read()),
    "session of OpenCode 1.1": ("storage/session/p/ses_1.json", lambda home, _: stored_as_json(home)),
    "number of sessions": ("storage/session/p/ses_1.json", lambda home, _: count_sessions(home, "/work")),
    "database": ("opencode.db", lambda _, file: read_sessions(file, ["/work"], 0, [])),
    "index of a database": ("opencode.db-shm", lambda home, _: with_database(home)),
    "log of a database": ("opencode.db-wal", lambda home, _: with_database(home)),
    "journal of a database": ("opencode.db-journal", lambda home, _: with_database(home)),
    "log of OpenCode": ("log/opencode.log", lambda home, _: opencode_log(home)),
    "log of a server": ("4096.log", lambda _, file: last_log_lines(file, 0)),
    "repository": (".git", lambda home, _: repository_of(str(home))),
    "plugin": ("plugin/opencode-tray.js", lambda _, file: install_plugin(file)),
    "hooks": ("claude/settings.json", lambda home, _: planned_hooks(home)),
    "token": ("token", lambda _, file: read_token(file)),
    "settings": ("settings.toml", lambda _, file: load_settings(file, {}, {})),
    "endpoint": ("endpoint", lambda _, file: read_endpoint(file)),
    "cache": ("cache.json", lambda _, file: read_cache(file)),
    "audit log": ("audit.jsonl", lambda _, file: audit.newest(file, 10)),
    "devices": ("devices.json", lambda _, file: read_devices(file, "")),
    "channels": ("channels.json", lambda _, file: read_channels(file)),
    "remotes": ("remotes.json", lambda _, file: read_remotes(file)),
    "servers": ("4096.json", lambda home, _: read_servers(home)),
    "tailnet": ("tailnet.json", lambda _, file: read_entry(file)),
    "identity": ("team-identity.json", lambda _, file: read_identity(file)),
}


def copilot_sessions(home: Path) -> Any:
    (home / "session-state/a/inuse.1.lock").touch()
    return OpenSessions(home).read()


def stored_as_json(home: Path) -> Any:
    return json_storage.read_sessions(home / "storage", ["/work"], 0, ["ses_1"])


def opencode_log(home: Path) -> None:
    logs = Logs(home / "log")
    try:
        logs.read(0)
    finally:
        logs.close()


def with_database(home: Path) -> Any:
    sqlite3.connect(home / "opencode.db").close()
    (home / "opencode.db").touch()
    return read_sessions(home / "opencode.db", ["/work"], 0, [])


def planned_hooks(home: Path) -> Any:
    environment = {"CLAUDE_CONFIG_DIR": str(home / "claude")}
    return AgentHooks(environment, home, home / "socket").state(AGENTS[AgentKind.CLAUDE])


@pytest.mark.parametrize("make", [pipe, device, folder, endless], ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", READERS)
def test_what_is_there_in_place_of_a_file_neither_blocks_nor_fills_the_memory(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    relative, read = READERS[name]
    file = tmp_path / relative
    file.parent.mkdir(parents=True, exist_ok=True)
    make(file)
    before = peak()
    in_time(lambda: read(tmp_path, file))
    assert peak() - before < 200_000_000


def test_a_transcript_that_suddenly_grows_is_read_from_near_its_end(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"{}\n")
    file = GrowingFile(path, Nothing)
    file.read()
    os.truncate(path, 2**40)
    with path.open("ab") as stream:
        stream.write(b"\n{}\n")
    in_time(file.read)
    assert file.content.lines == 3  # the first one, the rest of the long one, and the last one


def test_millions_of_empty_lines_fill_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"\n" * (MAX_READ // 20))
    file = GrowingFile(path, Nothing)
    before = peak()
    in_time(file.read, 30)
    assert file.content.lines == MAX_READ // 20
    assert peak() - before < 12_000_000


def write_audit_log(file: Path) -> None:
    log = audit.AuditLog(file)
    log.add({"answer": "once"})
    log.write()


WRITERS: dict[str, Callable[[Path], Any]] = {
    "audit log": write_audit_log,
    "log": lambda file: LogFile(file).close(),
    "log of a server": lambda file: launch(["true"], folder="/", environment={}, log=file).wait(),
    "history": lambda file: open_history(file)[0].close(),
    "history that is read": open_for_reading,
    "cache": lambda file: write_cache(file, "{}"),
    "private file": lambda file: write_privately(file, "{}"),
    "entry of the desktop": lambda file: EntryFile(file).write_text("x"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_pipe_in_place_of_a_file_holds_up_no_writer(tmp_path: Path, name: str) -> None:
    """An answer, for example, must not wait for its entry in the audit log."""
    pipe(tmp_path / "file")
    in_time(lambda: WRITERS[name](tmp_path / "file"))


# ------------------------------------------------------------------ databases


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "opencode.db")
    database.session("ses_1", 2000)
    database.messages("ses_1", [assistant(1990)])
    yield database
    database.close()


def sessions_in(path: Path) -> dict[str, int]:
    """Return the number of messages of each session that can be read."""
    found = in_time(lambda: read_sessions(path, ["/work"], 0, []))
    return {stored.info.id: stored.count for stored in found} if isinstance(found, list) else {}


def change(database: Database, *statements: str) -> None:
    with closing(database.connect()) as connection:
        for statement in statements:
            connection.execute(statement)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"


def test_a_view_without_an_end_in_place_of_a_table_is_given_up(made: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "MAX_TIME", 0.5)
    change(
        made,
        "DROP TABLE message",
        f"CREATE VIEW message AS {ENDLESS} i AS id, i AS session_id, i AS time_created, '' AS data FROM n",
    )
    error = in_time(lambda: read_sessions(made.path, ["/work"], 0, []))
    assert isinstance(error, sqlite3.OperationalError)
    error = in_time(lambda: read_whole_session(made.path, "ses_1"))
    assert isinstance(error, sqlite3.OperationalError)


def test_a_huge_message_costs_its_session_the_messages_and_nothing_else(made: Database) -> None:
    made.session("ses_2", 3000)
    change(made, "INSERT INTO message VALUES ('msg_2', 'ses_2', 2990, 2990, CAST(zeroblob(100000000) AS TEXT))")
    before = peak()
    assert sessions_in(made.path) == {"ses_1": 1, "ses_2": 0}
    assert peak() - before < 100_000_000
    (source,) = opencode_sources(made.path.parent, "desk")
    assert isinstance(in_time(lambda: source.read("ses_2")), sqlite3.DataError)


def test_columns_that_are_not_used_are_not_read(made: Database) -> None:
    """OpenCode keeps the changes of whole files in one."""
    change(made, "UPDATE session SET summary_diffs = CAST(zeroblob(100000000) AS TEXT)")
    assert sessions_in(made.path) == {"ses_1": 1}


VALUES = ("x'00ff'", "7", "1.5", "NULL", "9e999", "'text'")


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("session", ("id", "title", "directory", "time_updated", "cost", "agent")),
        ("message", ("id", "data", "time_created")),
        ("part", ("id", "data")),
        ("todo", ("content",)),
    ],
)
def test_values_of_any_type_hide_no_other_session(made: Database, table: str, columns: tuple[str, ...]) -> None:
    made.session("ses_2", 3000)
    (message,) = made.messages("ses_2", [user(2990)])
    made.parts("ses_2", message, [{"type": "text"}])
    change(made, "INSERT INTO todo VALUES ('ses_2', 'write', 'pending', 'high', 0, 0, 0)")
    change(  # to a copy of the table without types and constraints
        made, f"CREATE TABLE copy AS SELECT * FROM {table}", f"DROP TABLE {table}",
        f"ALTER TABLE copy RENAME TO {table}",
    )  # fmt: skip
    (source,) = opencode_sources(made.path.parent, "desk")
    key = "id" if table == "session" else "session_id"
    for column, value in product(columns, VALUES):
        change(
            made, f"CREATE TABLE saved AS SELECT * FROM {table}",
            f"UPDATE {table} SET {column} = {value} WHERE {key} = 'ses_2'",
        )  # fmt: skip
        assert sessions_in(made.path)["ses_1"] == 1
        assert all(in_time(lambda name=session.name: [source.read(name)]) for session in source.find(0))
        change(
            made, f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM saved", "DROP TABLE saved",
        )  # fmt: skip


def test_a_trigger_and_functions_in_the_schema_change_nothing(made: Database) -> None:
    change(
        made,
        "CREATE TABLE log (text)",
        "CREATE TRIGGER t AFTER UPDATE ON session BEGIN INSERT INTO log VALUES ('changed'); END",
        "DROP TABLE todo",
        "CREATE VIEW todo (content, status, session_id, position) AS SELECT load_extension('/x'), '', 'ses_1', 0",
    )
    content = made.path.read_bytes()
    sessions_in(made.path)
    assert made.path.read_bytes() == content


def test_a_damaged_page_or_log_ends_no_program(made: Database) -> None:
    for number in range(2, 20):
        made.session(f"ses_{number}", 2000 + number)
        made.messages(f"ses_{number}", [assistant(1990 + number)])
    files = [made.path, made.path.with_name("opencode.db-wal")]
    contents = [file.read_bytes() for file in files]
    made.close()
    for seed in range(30):
        chosen = random.Random(seed)  # noqa: S311  # a damage that can be repeated
        for file, content in zip(files, contents, strict=True):
            changed = bytearray(content)
            for _ in range(30 if changed else 0):
                changed[chosen.randrange(len(changed))] = chosen.randrange(256)
            file.write_bytes(changed)
        sessions_in(made.path)
