"""Find sessions in the history."""

from __future__ import annotations

import sqlite3

from tray.storage.history.schema import REMOVED


def with_prefix(connection: sqlite3.Connection, prefix: str) -> list[str]:
    """Return the ids of the sessions whose id begins with a text, and whose text was not removed."""
    query = "SELECT uid FROM session WHERE substr(uid, 1, ?) = ? AND deleted < ? ORDER BY uid"
    return [uid for (uid,) in connection.execute(query, (len(prefix), prefix, REMOVED))]


def in_directory(connection: sqlite3.Connection, directory: str) -> list[str]:
    """Return the ids of the sessions of a directory whose text was not removed."""
    query = "SELECT uid FROM session JOIN place ON place.id = session.place WHERE directory = ? AND deleted < ?"
    return [uid for (uid,) in connection.execute(query, (directory, REMOVED))]
