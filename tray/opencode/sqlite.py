"""OpenCode's SQLite database, read so that no OpenCode ever waits for it, fails by it or finds a file of it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

BUSY_TIMEOUT = 0.2  # s; a reader of a WAL waits for nobody but for a checkpoint's last moment
TRIES, PAUSE = 5, 0.02  # s between them: the log comes and goes as the first OpenCode opens it and the last closes it

T = TypeVar("T")


def databases(data: Path, named: str = "") -> list[Path]:
    """The databases in OpenCode's data folder: that of OPENCODE_DB, else one for each release channel."""
    if named:
        return [data / named] if named != ":memory:" and (data / named).is_file() else []
    return sorted(data.glob("opencode*.db"))


def read(database: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """What `work` returns for a connection of a moment; one that stayed open would keep OpenCode from tidying up.

    `mode=ro` alone is not enough. Whoever is the first to open a database after a crash, or after all have closed it,
    makes its index (`-shm`) anew under an exclusive lock, and an OpenCode that starts at that moment gets SQLITE_BUSY.
    So the index is never written (`readonly_shm`, a parameter of SQLite's VFS for Unix and Windows: only shared locks
    are taken then), and a database without a log, which nobody has open, is read without any lock (`immutable`).

    Raises sqlite3.Error: a database that is being made, or is none.
    """
    for _ in range(TRIES - 1):
        with suppress(sqlite3.DatabaseError):
            return _read(database, work)
        time.sleep(PAUSE)
    return _read(database, work)


def _read(database: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    with closing(_open(database)) as connection:
        return work(connection)


def _open(database: Path) -> sqlite3.Connection:
    in_use = database.with_name(f"{database.name}-wal").exists()
    uri = f"{database.absolute().as_uri()}?mode=ro&{'readonly_shm' if in_use else 'immutable'}=1"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA query_only=1")
    return connection
