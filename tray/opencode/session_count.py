"""Count the sessions of a directory from OpenCode's files: a request to OpenCode would make it load them."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

import msgspec

from tray.core.lenient_json import JSON_ERRORS
from tray.files.reading import find_files, read_regular
from tray.opencode import sqlite

MAX_FILES = 2_000  # of the older JSON storage to read; the count of a larger storage is a lower bound


class _Session(msgspec.Struct, rename={"parent": "parentID"}):
    directory: str = ""
    parent: str | None = None


def count_sessions(data: Path, directory: str) -> int:
    """Return the number of root sessions that are not archived, from the databases or else the older JSON storage."""
    count = 0
    databases = sqlite.databases(data)
    for database in databases:
        with suppress(sqlite3.Error):
            count += sqlite.read(database, lambda connection: _count(connection, directory))
    if databases:
        return count
    for file in find_files(data, "storage/session/*/*.json")[:MAX_FILES]:
        with suppress(OSError, *JSON_ERRORS):
            session = msgspec.json.decode(read_regular(file), type=_Session)
            count += session.directory == directory and session.parent is None
    return count


def _count(connection: sqlite3.Connection, directory: str) -> int:
    (count,) = connection.execute(
        "SELECT count(*) FROM session WHERE directory = ? AND parent_id IS NULL AND time_archived IS NULL",
        (directory,),
    ).fetchone()
    return int(count)
