"""Read sessions from OpenCode's SQLite database (1.2 and later)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tray.core.lenient_json import JSON_ERRORS, decode
from tray.core.messages import Tokens
from tray.opencode import sqlite
from tray.sources.local.records import MAX_MESSAGES, MAX_PARTS, MAX_SESSIONS, MAX_TODOS, StoredPart, StoredSession
from tray.sources.protocol.digest import sum_messages
from tray.sources.protocol.schema import MessageInfo, SessionInfo, TodoInfo

MAX_IMPORTED = 100_000  # messages read of one session for the history
# Others are not read: `summary_diffs` may have the content of many files.
_COLUMNS = ("id", "parent_id", "title", "directory", "time_created", "time_updated")
_LATER_COLUMNS = (
    "summary_additions", "summary_deletions", "summary_files", "cost", "tokens_input", "tokens_output",
    "tokens_reasoning", "tokens_cache_read", "tokens_cache_write", "agent",
)  # fmt: skip
MAX_CACHED = 4_000  # characters of a message that is cached; some messages contain the changes of whole files

S = TypeVar("S", bound=msgspec.Struct)


def read_sessions(
    database: Path, directories: Collection[str], since: int, session_ids: Collection[str]
) -> list[StoredSession]:
    """Return the sessions of these directories updated since `since` (ms), those with these ids, and their subagents.

    Raises sqlite3.Error, for example if the file is not a database or has no tables yet.
    """

    def work(connection: sqlite3.Connection) -> list[StoredSession]:
        columns = {str(row[1]) for row in connection.execute("PRAGMA table_info(session)")}
        rows = _session_rows(connection, columns, directories, since, session_ids)
        read = (_stored(connection, columns, row) for row in rows)
        return [stored for stored in read if stored is not None]

    return sqlite.read(database, work)


def read_whole_session(database: Path, session_id: str) -> tuple[SessionInfo, list[MessageInfo]] | None:
    """Return a session with all its messages; None if it has gone. Raises sqlite3.Error."""

    def work(connection: sqlite3.Connection) -> tuple[SessionInfo, list[MessageInfo]] | None:
        columns = {str(row[1]) for row in connection.execute("PRAGMA table_info(session)")}
        query = f"SELECT {_selected(columns)} FROM session WHERE id = ?"  # noqa: S608  # only constants are inserted
        row = connection.execute(query, (session_id,)).fetchone()
        info = _info(row, columns) if row is not None else None
        if info is None:
            return None
        query = "SELECT id, data FROM message WHERE session_id = ? LIMIT ?"
        rows = connection.execute(query, (session_id, MAX_IMPORTED))
        read = (_decode_message(row["id"], session_id, row["data"]) for row in rows)
        return info, [message for message in read if message is not None]

    return sqlite.read(database, work)


def _session_rows(
    connection: sqlite3.Connection,
    columns: Collection[str],
    directories: Collection[str],
    since: int,
    session_ids: Collection[str],
) -> list[sqlite3.Row]:
    not_archived = "AND time_archived IS NULL" if "time_archived" in columns else ""
    query = f"""WITH RECURSIVE wanted(id) AS (
            SELECT id FROM session WHERE id IN (SELECT value FROM json_each(:ids))
            UNION
            SELECT id FROM (SELECT id FROM session
                WHERE directory IN (SELECT value FROM json_each(:directories)) AND time_updated >= :since {not_archived}
                ORDER BY time_updated DESC LIMIT :limit)
            UNION
            SELECT session.id FROM session JOIN wanted ON session.parent_id = wanted.id
        ) SELECT {_selected(columns)} FROM session JOIN wanted USING (id)
        ORDER BY time_updated DESC LIMIT 2 * :limit"""  # noqa: S608  # only constants are inserted
    parameters = {
        "ids": _json_array(session_ids), "directories": _json_array(directories), "since": since, "limit": MAX_SESSIONS,
    }  # fmt: skip
    return connection.execute(query, parameters).fetchall()


def _selected(columns: Collection[str]) -> str:
    return ", ".join((*_COLUMNS, *(name for name in _LATER_COLUMNS if name in columns)))


def _stored(connection: sqlite3.Connection, columns: Collection[str], row: sqlite3.Row) -> StoredSession | None:
    """Return one session, without its messages if one of them is too long; None if its row is invalid."""
    info = _info(row, columns)
    if info is None:
        return None
    try:
        return _with_messages(connection, info)
    except sqlite3.DataError:
        return StoredSession(info)


def _with_messages(connection: sqlite3.Connection, info: SessionInfo) -> StoredSession:
    session_id = info.id
    newest = connection.execute(
        "SELECT id, data FROM message WHERE session_id = ? ORDER BY time_created DESC, id DESC LIMIT ?",
        (session_id, MAX_MESSAGES),
    )
    read = {message_id: _message(message_id, session_id, data) for message_id, data in newest}
    messages = tuple(message for message in reversed(read.values()) if message is not None)
    count = len(read)
    if count == MAX_MESSAGES:
        (count,) = connection.execute("SELECT count(*) FROM message WHERE session_id = ?", (session_id,)).fetchone()
    return StoredSession(
        info=info,
        messages=messages,
        count=count,
        parts=_parts(connection, next(iter(read))) if read else (),
        todos=_todos(connection, session_id),
        inherited=_inherited(connection, info),
    )


def _info(row: sqlite3.Row, columns: Collection[str]) -> SessionInfo | None:
    """Return a session's row as the record of OpenCode's API; OpenCode 1.2 has fewer columns."""
    record: dict[str, Any] = {
        "id": row["id"],
        "parentID": row["parent_id"],
        "title": row["title"],
        "directory": row["directory"],
        "time": {"created": row["time_created"], "updated": row["time_updated"]},
    }
    if "summary_files" in columns:
        record["summary"] = {name: row[f"summary_{name}"] or 0 for name in ("additions", "deletions", "files")}
    if "tokens_input" in columns:
        cache = {"read": row["tokens_cache_read"], "write": row["tokens_cache_write"]}
        record["cost"] = row["cost"]
        record["tokens"] = {name: row[f"tokens_{name}"] for name in ("input", "output", "reasoning")} | {"cache": cache}
    if "agent" in columns:
        record["agent"] = row["agent"]
    try:
        return msgspec.convert(record, SessionInfo)
    except JSON_ERRORS:
        return None


def _inherited(connection: sqlite3.Connection, info: SessionInfo) -> tuple[float, Tokens]:
    """Return the cost and tokens of the messages that were copied into a fork: its own sums include them."""
    if info.tokens is None or info.time is None:
        return 0.0, Tokens()
    key = (info.id, info.time.created)
    (count,) = connection.execute(f"SELECT count(*) {_OLDER}", key).fetchone()  # _OLDER is a constant
    if not count:
        return 0.0, Tokens()
    cached = _sums.get(key)
    if cached is None or cached[0] != count:
        rows = connection.execute(f"SELECT id, data {_OLDER}", key)
        read = (_message(row["id"], info.id, row["data"]) for row in rows)
        usage = sum_messages(message.to_core() for message in read if message is not None).inherited
        cached = _sums[key] = (count, usage.cost, usage.tokens) if usage is not None else (count, 0.0, Tokens())
        while len(_sums) > MAX_SESSIONS:
            del _sums[next(iter(_sums))]
    return cached[1:]


_OLDER = "FROM message WHERE session_id = ? AND time_created < ?"  # than the session: copies keep their times
_sums: dict[tuple[str, float], tuple[int, float, Tokens]] = {}  # by session: number of older messages, cost, tokens


def _parts(connection: sqlite3.Connection, message_id: str) -> tuple[StoredPart, ...]:
    """Return the parts of a message, without the long outputs of tools that have ended."""
    rows = connection.execute(
        """SELECT id, CASE WHEN json_valid(data) AND json_extract(data, '$.state.status') IN ('completed', 'error')
            THEN json_remove(data, '$.state.output', '$.state.input', '$.state.metadata', '$.state.attachments')
            ELSE data END AS data
        FROM part WHERE message_id = ? ORDER BY id DESC LIMIT ?""",
        (message_id, MAX_PARTS),
    )
    read = [_decode(StoredPart, data, id=part_id, messageID=message_id) for part_id, data in rows]
    return tuple(part for part in reversed(read) if part is not None)


def _todos(connection: sqlite3.Connection, session_id: str) -> tuple[TodoInfo, ...]:
    rows = connection.execute(
        "SELECT content, status FROM todo WHERE session_id = ? ORDER BY position LIMIT ?", (session_id, MAX_TODOS)
    )
    return tuple(TodoInfo(str(row["content"]), str(row["status"])) for row in rows)


def _message(message_id: object, session_id: object, data: object) -> MessageInfo | None:
    is_short = isinstance(data, str) and len(data) <= MAX_CACHED
    return (_cached_message if is_short else _decode_message)(message_id, session_id, data)


def _decode_message(message_id: object, session_id: object, data: object) -> MessageInfo | None:
    return _decode(MessageInfo, data, id=message_id, sessionID=session_id)


_cached_message = lru_cache(maxsize=MAX_SESSIONS * MAX_MESSAGES)(_decode_message)  # most are unchanged at each reading


def _decode(shape: type[S], data: object, **columns: object) -> S | None:
    """Return a record from its JSON and the ids in their own columns, or None if it is invalid."""
    if not isinstance(data, str) or not all(isinstance(value, str) for value in columns.values()):
        return None  # a value of SQLite may have any type
    fields = "".join(f"{json.dumps(name)}:{json.dumps(value)}," for name, value in columns.items())
    text = f"{{{fields}{data.lstrip()[1:]}".encode("utf-8", "replace")
    try:
        return decode(text, shape)
    except JSON_ERRORS:
        return None


def _json_array(items: Iterable[str]) -> str:
    return json.dumps(list(items))
