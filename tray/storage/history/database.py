"""Open the history for writing: create or migrate it, and set a corrupt one aside."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from tray.files.writing import remove, set_aside
from tray.storage.history.schema import MIGRATIONS, VERSION

RETRY_INTERVAL = 0.02  # s
BUSY_TIMEOUT = 2.0  # s; the only other writer is a command such as `history delete`


class HistoryError(Exception):
    """The history cannot be used. The text says why, and what was done about it."""


def open_history(path: Path) -> tuple[sqlite3.Connection, str]:
    """Return a connection for the writer, and what has to be reported ("": nothing).

    A corrupt database is renamed. Raises HistoryError, OSError or sqlite3.Error if the history cannot be used.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return _open(path), ""
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # no space, no permission, locked: it may be intact
            raise
        problem = _begin_anew(path, error)
        return _open(path), problem


def _open(path: Path) -> sqlite3.Connection:
    """Return a connection. While another program switches the database to WAL, SQLite refuses without waiting."""
    end = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            return _try_to_open(path)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
        time.sleep(RETRY_INTERVAL)


def _try_to_open(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        if _version(connection) > VERSION:
            raise HistoryError(f"the history {path} was written by a newer version; update OpenCode Tray")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # of a new database
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        if 0 < (version := _version(connection)) < VERSION:
            older = path.with_name(f"{path.name}.v{version}")
            remove(older)  # of an attempt that was interrupted
            backup(connection, older)
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to the current version, in one transaction: another program may do the same."""
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in MIGRATIONS[_version(connection) :]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def backup(connection: sqlite3.Connection, path: Path) -> None:
    """Copy a database to a new file that only the owner can read. Raises OSError or sqlite3.Error."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # not to a file or link of another user
    with closing(sqlite3.connect(path)) as copy:
        connection.backup(copy)


def is_damage(error: Exception) -> bool:
    """Whether an error says that the database is damaged, and not that it is locked, full, or about a value."""
    return type(error) is sqlite3.DatabaseError


def recover(path: Path, error: Exception) -> str:
    """Build the indexes again if only they are damaged; else rename the database. Return what was done.

    `error` is what a writer got; no connection may be open. Raises OSError or sqlite3.Error if nothing can be done.
    """
    try:
        with closing(_open(path)) as connection:
            connection.execute("INSERT INTO search (search) VALUES ('rebuild')")
            connection.execute("REINDEX")
            is_intact = connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
    except sqlite3.DatabaseError as other:
        if not is_damage(other):
            raise
        is_intact = False
    return "an index of the history was damaged; it was built again" if is_intact else _begin_anew(path, error)


def _begin_anew(path: Path, error: Exception) -> str:
    return (
        f"the history was damaged ({error}); it was renamed to {set_aside(path, '-wal', '-shm')}, and a new one begun"
    )
