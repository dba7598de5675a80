"""How many sessions OpenCode keeps of a directory: asked of its files, as asking OpenCode would make it load them."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

import msgspec

from tray.opencode import sqlite

FILES = 2_000  # of the older storage that are looked at; one with more has its number told as "at least" so many


class _Session(msgspec.Struct, rename={"parent": "parentID"}):
    directory: str = ""
    parent: str | None = None


def count_sessions(data: Path, directory: str) -> int:
    """Root sessions that are not archived."""
    found = 0
    databases = sqlite.databases(data)
    for database in databases:
        with suppress(sqlite3.Error):
            found += sqlite.read(database, lambda connection: _counted(connection, directory))
    if databases:
        return found
    for _, file in zip(range(FILES), data.glob("storage/session/*/*.json"), strict=False):
        with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            session = msgspec.json.decode(file.read_bytes(), type=_Session)
            found += session.directory == directory and session.parent is None
    return found


def _counted(connection: sqlite3.Connection, directory: str) -> int:
    (count,) = connection.execute(
        "SELECT count(*) FROM session WHERE directory = ? AND parent_id IS NULL AND time_archived IS NULL",
        (directory,),
    ).fetchone()
    return int(count)
