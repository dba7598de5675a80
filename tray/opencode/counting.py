"""How many sessions OpenCode keeps of a directory: asked of its files, as asking OpenCode would make it load them."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import msgspec

FILES = 2_000  # of the older storage that are looked at; one with more has its number told as "at least" so many


class _Session(msgspec.Struct, rename={"parent": "parentID"}):
    directory: str = ""
    parent: str | None = None


def count_sessions(data: Path, directory: str) -> int:
    """Root sessions that are not archived."""
    for database in sorted(data.glob("opencode*.db")):
        with suppress(sqlite3.Error):
            uri = f"{database.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True, timeout=0.2)) as connection:
                counted = connection.execute(
                    "SELECT count(*) FROM session WHERE directory = ? AND parent_id IS NULL AND time_archived IS NULL",
                    (directory,),
                )
                return int(counted.fetchone()[0])
    found = 0
    for _, file in zip(range(FILES), data.glob("storage/session/*/*.json"), strict=False):
        with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
            session = msgspec.json.decode(file.read_bytes(), type=_Session)
            found += session.directory == directory and session.parent is None
    return found
