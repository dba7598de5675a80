"""What OpenCode's SQLite database (1.2 and later) holds of the sessions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tray.core.model import Tokens
from tray.core.opencode_ids import is_inherited
from tray.opencode import sqlite
from tray.opencode.lenient_json import JSON_ERRORS, decode
from tray.sources.local.records import NEWEST, StoredPart, StoredSession
from tray.sources.protocol.schema import MessageInfo, SessionInfo, TodoInfo

MOST = 50  # sessions read of one database
PARTS = 40  # of one message
SMALL = 4_000  # characters of a message that is remembered; some hold the changes of whole files

S = TypeVar("S", bound=msgspec.Struct)


def read_sessions(
    database: Path, directories: Collection[str], since: int, also: Collection[str]
) -> list[StoredSession]:
    """The sessions of these directories that were touched `since` (ms), and `also` these by id, with their subagents.

    Raises sqlite3.Error: a database that is being made, or is none.
    """

    def work(connection: sqlite3.Connection) -> list[StoredSession]:
        columns = {str(row[1]) for row in connection.execute("PRAGMA table_info(session)")}
        rows = _sessions(connection, columns, directories, since, also)
        found = (_stored(connection, columns, row) for row in rows)
        return [stored for stored in found if stored is not None]

    return sqlite.read(database, work)


def _sessions(
    connection: sqlite3.Connection,
    columns: Collection[str],
    directories: Collection[str],
    since: int,
    also: Collection[str],
) -> list[sqlite3.Row]:
    archived = "AND time_archived IS NULL" if "time_archived" in columns else ""
    chosen = connection.execute(  # nothing but our own words is put into it
        f"""WITH RECURSIVE wanted(id) AS (
            SELECT id FROM session WHERE id IN (SELECT value FROM json_each(:also))
            UNION
            SELECT id FROM (SELECT id FROM session
                WHERE directory IN (SELECT value FROM json_each(:directories)) AND time_updated >= :since {archived}
                ORDER BY time_updated DESC LIMIT :most)
            UNION
            SELECT session.id FROM session JOIN wanted ON session.parent_id = wanted.id
        ) SELECT session.* FROM session JOIN wanted USING (id) ORDER BY time_updated DESC LIMIT 2 * :most""",  # noqa: S608
        {"also": _list(also), "directories": _list(directories), "since": since, "most": MOST},
    )
    return chosen.fetchall()


def _stored(connection: sqlite3.Connection, columns: Collection[str], row: sqlite3.Row) -> StoredSession | None:
    """One session; None for one that cannot be understood."""
    name = row["id"]
    info = _info(row, columns)
    if info is None:
        return None
    listed = connection.execute(
        "SELECT id, data FROM message WHERE session_id = ? ORDER BY time_created DESC, id DESC LIMIT ?", (name, NEWEST)
    ).fetchall()
    read = [_message(message, name, data) for message, data in reversed(listed)]
    messages = tuple(message for message in read if message is not None)
    count = len(listed)
    if count == NEWEST:
        (count,) = connection.execute("SELECT count(*) FROM message WHERE session_id = ?", (name,)).fetchone()
    return StoredSession(
        info=info,
        messages=messages,
        count=count,
        parts=_parts(connection, listed[0]["id"]) if listed else (),
        todos=_todos(connection, name),
        inherited=_inherited(connection, info),
    )


def _info(row: sqlite3.Row, columns: Collection[str]) -> SessionInfo | None:
    told: dict[str, Any] = {
        "id": row["id"],
        "parentID": row["parent_id"],
        "title": row["title"],
        "directory": row["directory"],
        "time": {"created": row["time_created"], "updated": row["time_updated"]},
    }
    if "summary_files" in columns:
        told["summary"] = {name: row[f"summary_{name}"] or 0 for name in ("additions", "deletions", "files")}
    if "tokens_input" in columns:
        cache = {"read": row["tokens_cache_read"], "write": row["tokens_cache_write"]}
        told["cost"] = row["cost"]
        told["tokens"] = {name: row[f"tokens_{name}"] for name in ("input", "output", "reasoning")} | {"cache": cache}
    if "agent" in columns:
        told["agent"] = row["agent"]
    try:
        return msgspec.convert(told, SessionInfo)
    except JSON_ERRORS:
        return None


def _inherited(connection: sqlite3.Connection, info: SessionInfo) -> tuple[float, Tokens]:
    """What the messages used that were copied into this session; OpenCode's own sums include it."""
    if info.tokens is None or info.time is None:
        return 0.0, Tokens()
    older = (info.id, info.time.created)
    (count,) = connection.execute(f"SELECT count(*) {_OLDER}", older).fetchone()  # our own words
    if not count:
        return 0.0, Tokens()
    known = _sums.get(older)
    if known is None or known[0] != count:
        rows = connection.execute(f"SELECT id, data {_OLDER}", older)
        read = (_message(row["id"], info.id, row["data"]) for row in rows)
        copies = [told for one in read if one is not None and is_inherited(told := one.known())]
        cost, tokens = sum(one.cost for one in copies), sum((one.tokens for one in copies), Tokens())
        known = _sums[older] = (count, cost, tokens)
        while len(_sums) > MOST:
            del _sums[next(iter(_sums))]
    return known[1:]


_OLDER = "FROM message WHERE session_id = ? AND time_created < ?"  # than the session: copies keep their times
_sums: dict[tuple[str, float], tuple[int, float, Tokens]] = {}  # by session: how many copies, and what they used


def _parts(connection: sqlite3.Connection, message: str) -> tuple[StoredPart, ...]:
    """What the newest message consists of; the long outputs of tools that have ended stay where they are."""
    rows = connection.execute(
        """SELECT id, CASE WHEN json_valid(data) AND json_extract(data, '$.state.status') IN ('completed', 'error')
            THEN json_remove(data, '$.state.output', '$.state.input', '$.state.metadata', '$.state.attachments')
            ELSE data END AS data
        FROM part WHERE message_id = ? ORDER BY id DESC LIMIT ?""",
        (message, PARTS),
    ).fetchall()
    read = (_read(StoredPart, data, id=part, messageID=message) for part, data in reversed(rows))
    return tuple(part for part in read if part is not None)


def _todos(connection: sqlite3.Connection, session: str) -> tuple[TodoInfo, ...]:
    rows = connection.execute(
        "SELECT content, status FROM todo WHERE session_id = ? ORDER BY position LIMIT 100", (session,)
    )
    return tuple(TodoInfo(str(row["content"]), str(row["status"])) for row in rows)


def _message(name: str, session: str, data: str) -> MessageInfo | None:
    return (_remembered if len(data) <= SMALL else _decoded)(name, session, data)


def _decoded(name: str, session: str, data: str) -> MessageInfo | None:
    return _read(MessageInfo, data, id=name, sessionID=session)


_remembered = lru_cache(maxsize=MOST * NEWEST)(_decoded)  # most of them were there the last time; nobody changes one


def _read(shape: type[S], data: str, **more: str) -> S | None:
    """A record whose ids stand in columns of their own; None for what cannot be understood."""
    columns = "".join(f"{json.dumps(name)}:{json.dumps(value)}," for name, value in more.items())
    text = f"{{{columns}{data.lstrip()[1:]}".encode("utf-8", "replace")
    try:
        return decode(text, shape)
    except JSON_ERRORS:
        return None


def _list(items: Iterable[str]) -> str:
    return json.dumps(list(items))
