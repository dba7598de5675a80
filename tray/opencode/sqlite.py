"""Read OpenCode's SQLite database without locking it, without errors in OpenCode, and without leaving files."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from tray.files.reading import exists, find_files, is_regular

BUSY_TIMEOUT = 0.2  # s; in WAL mode a reader waits only for the end of a checkpoint
TRIES = 5  # the WAL file appears when the first OpenCode opens the database and disappears when the last closes it
RETRY_INTERVAL = 0.02  # s
MAX_TIME = 20.0  # s; a damaged file, or a view in place of a table, may give endless rows
MAX_LENGTH = 32_000_000  # bytes of a row or text; reading a longer one raises sqlite3.DataError

T = TypeVar("T")


def databases(data: Path, name: str = "") -> list[Path]:
    """Return the databases in OpenCode's data folder: `name` (OPENCODE_DB), else one for each release channel."""
    if name:
        return [data / name] if name != ":memory:" and exists(data / name) else []
    return sorted(find_files(data, "opencode*.db"))


def read(database: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """Call `work` with a short-lived connection and return its result. Raises sqlite3.Error.

    A connection that stays open would keep OpenCode from cleaning up its WAL file.

    `mode=ro` alone is not enough: the first process to open a database after a crash, or after all have closed it,
    rebuilds its index (`-shm`) under an exclusive lock, and an OpenCode that starts at that moment gets SQLITE_BUSY.
    With `readonly_shm`, a parameter of SQLite's VFS for Unix and Windows, the index is never written and only shared
    locks are taken. A database without a WAL file is open in no process and is read without any lock (`immutable`).
    """
    end = time.monotonic() + MAX_TIME
    for _ in range(TRIES - 1):
        with suppress(sqlite3.DatabaseError):
            return _read(database, work, end)
        time.sleep(RETRY_INTERVAL)
    return _read(database, work, end)


def _read(database: Path, work: Callable[[sqlite3.Connection], T], end: float) -> T:
    with closing(_open(database)) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        return work(connection)


def _open(database: Path) -> sqlite3.Connection:
    try:  # opening a pipe blocks
        present = {end: is_regular(database.with_name(database.name + end)) for end in ("", "-wal", "-shm", "-journal")}
    except OSError as error:
        raise sqlite3.OperationalError(f"cannot read {error.filename}: {error.strerror}") from error
    uri = f"{database.absolute().as_uri()}?mode=ro&{'readonly_shm' if present['-wal'] else 'immutable'}=1"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT)
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda text: text.decode("utf-8", "replace")  # one invalid title is not an error
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_LENGTH)
    connection.execute("PRAGMA query_only=1")
    connection.execute("PRAGMA trusted_schema=0")  # https://sqlite.org/security.html
    return connection
