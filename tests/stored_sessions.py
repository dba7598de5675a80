"""OpenCode's storage as OpenCode writes it: the tables of 1.18 and the JSON files of 1.1."""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

# The columns, keys and indexes of the tables that we read, as created by 1.18.33.
TABLES = """
CREATE TABLE project (id text PRIMARY KEY, worktree text NOT NULL);
CREATE TABLE session (
  id text PRIMARY KEY, project_id text NOT NULL, workspace_id text, parent_id text, slug text NOT NULL,
  directory text NOT NULL, path text, title text NOT NULL, version text NOT NULL, share_url text,
  summary_additions integer, summary_deletions integer, summary_files integer, summary_diffs text, metadata text,
  cost real DEFAULT 0 NOT NULL, tokens_input integer DEFAULT 0 NOT NULL, tokens_output integer DEFAULT 0 NOT NULL,
  tokens_reasoning integer DEFAULT 0 NOT NULL, tokens_cache_read integer DEFAULT 0 NOT NULL,
  tokens_cache_write integer DEFAULT 0 NOT NULL, revert text, permission text, agent text, model text,
  time_created integer NOT NULL, time_updated integer NOT NULL, time_compacting integer, time_archived integer);
CREATE TABLE message (
  id text PRIMARY KEY, session_id text NOT NULL, time_created integer NOT NULL, time_updated integer NOT NULL,
  data text NOT NULL);
CREATE TABLE part (
  id text PRIMARY KEY, message_id text NOT NULL, session_id text NOT NULL, time_created integer NOT NULL,
  time_updated integer NOT NULL, data text NOT NULL);
CREATE TABLE todo (
  session_id text NOT NULL, content text NOT NULL, status text NOT NULL, priority text NOT NULL,
  position integer NOT NULL, time_created integer NOT NULL, time_updated integer NOT NULL,
  PRIMARY KEY (session_id, position));
CREATE INDEX message_session_time_created_id_idx ON message (session_id, time_created, id);
CREATE INDEX part_message_id_id_idx ON part (message_id, id);
CREATE INDEX part_session_idx ON part (session_id);
CREATE INDEX session_parent_idx ON session (parent_id);
CREATE INDEX todo_session_idx ON todo (session_id);
"""
OUTPUT = "x" * 2_000  # of a completed tool call


def assistant(created: int, **more: Any) -> dict[str, Any]:
    """Return the data of an assistant message."""
    tokens = {"input": 1200, "output": 34, "reasoning": 0, "cache": {"read": 0, "write": 0}}
    data = {"role": "assistant", "mode": "build", "modelID": "fake-1", "providerID": "fake", "cost": 0.5}
    return {**data, "tokens": tokens, "time": {"created": created}, **more}


def user(created: int) -> dict[str, Any]:
    """Return the data of a user message."""
    return {"role": "user", "time": {"created": created}, "agent": "build"}


class Database:
    """The database of a project, opened as by an OpenCode until `close` is called."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite shares the index between connections of one process: after a read-only one opened it, none could write.
        opened = sqlite3.connect(path, check_same_thread=False)
        opened.execute("PRAGMA journal_mode=WAL")
        opened.executescript(TABLES)
        self.close = weakref.finalize(self, opened.close)

    def connect(self) -> sqlite3.Connection:
        """Open a connection that can write."""
        return sqlite3.connect(self.path, isolation_level=None, timeout=5)

    def session(
        self, name: str, updated: int, *, directory: str = "/work", parent: str | None = None, **more: Any
    ) -> None:
        """Add a session."""
        row = {
            "id": name, "project_id": "p", "parent_id": parent, "slug": name, "directory": directory,
            "title": f"Title of {name}", "version": "1.18.33", "time_created": updated - 10, "time_updated": updated,
            "cost": 1.5, "tokens_input": 100, "tokens_output": 10, **more,
        }  # fmt: skip
        with closing(self.connect()) as connection:
            _insert(connection, "session", [row])

    def messages(self, session: str, datas: Iterable[dict[str, Any]]) -> list[str]:
        """Add messages and return their IDs."""
        rows = [
            {
                "id": f"msg_{session}_{at:014}", "session_id": session, "time_created": at, "time_updated": at,
                "data": json.dumps(data),
            }
            for data in datas
            for at in (data["time"]["created"],)
        ]  # fmt: skip
        with closing(self.connect()) as connection:
            _insert(connection, "message", rows)
        return [str(row["id"]) for row in rows]

    def messages_with_ids(self, session: str, datas: Iterable[tuple[int, dict[str, Any]]]) -> None:
        """Add messages with IDs that encode these times, as in OpenCode."""
        rows = [
            {
                "id": f"msg_{(at << 12) % 2**48:012x}abcdefghijklmn", "session_id": session,
                "time_created": data["time"]["created"], "time_updated": at, "data": json.dumps(data),
            }
            for at, data in datas
        ]  # fmt: skip
        with closing(self.connect()) as connection:
            _insert(connection, "message", rows)

    def parts(self, session: str, message: str, datas: Iterable[dict[str, Any]]) -> None:
        """Add the parts of a message."""
        rows = [
            {
                "id": f"prt_{message}_{number:04}", "message_id": message, "session_id": session, "time_created": 1,
                "time_updated": 1, "data": json.dumps(data),
            }
            for number, data in enumerate(datas)
        ]  # fmt: skip
        with closing(self.connect()) as connection:
            _insert(connection, "part", rows)

    def fill(self, sessions: int, messages: int, parts: int) -> None:
        """Add old history: `sessions` sessions of `messages` messages of `parts` parts each."""
        ended = {"type": "tool", "tool": "bash", "state": {"status": "completed", "output": OUTPUT, "input": {}}}
        data, part = json.dumps(assistant(1, finish="stop")), json.dumps(ended)
        with closing(self.connect()) as connection:
            connection.execute("BEGIN")
            for number in range(sessions):
                name = f"ses_old_{number:06}"
                row = {
                    "id": name, "project_id": "p", "slug": name, "directory": "/work", "title": name, "version": "1",
                    "time_created": number, "time_updated": number,
                }  # fmt: skip
                _insert(connection, "session", [row])
                connection.executemany(
                    "INSERT INTO message VALUES (?, ?, ?, ?, ?)",
                    [(f"msg_{name}_{n:06}", name, n, n, data) for n in range(messages)],
                )
                connection.executemany(
                    "INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)",
                    [
                        (f"prt_{name}_{n:06}_{p}", f"msg_{name}_{n:06}", name, n, n, part)
                        for n in range(messages)
                        for p in range(parts)
                    ],
                )
            connection.execute("COMMIT")


def _insert(connection: sqlite3.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        names = list(rows[0])
        marks = ", ".join(f":{name}" for name in names)
        connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)


def write_json_storage(
    storage: Path, session: dict[str, Any], messages: Iterable[dict[str, Any]], parts: Iterable[dict[str, Any]]
) -> None:
    """Write a session as the JSON files of 1.1; `parts` belong to the last message."""
    name = str(session["id"])
    _write(storage / "session" / "project" / f"{name}.json", session)
    last = ""
    for data in messages:
        last = f"msg_at{data['time']['created']:014}"
        _write(storage / "message" / name / f"{last}.json", {"id": last, "sessionID": name, **data})
    for number, data in enumerate(parts):
        part = f"prt_{number:04}"
        _write(storage / "part" / last / f"{part}.json", {"id": part, "sessionID": name, "messageID": last, **data})


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
