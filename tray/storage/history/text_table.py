"""The table `text` and its search index, which have to change together."""

from __future__ import annotations

import sqlite3

TITLE, NOTE, PROMPT, REPLY, REQUEST = KINDS = ("title", "note", "prompt", "reply", "request")


class TextTable:
    """Stores texts of sessions. All methods raise sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def replace(self, session: int, kind: str, text: str, at: int) -> None:
        """Set a text of which a session has one. "" removes it."""
        self._put(session, kind, "", text, at, self._row(session, kind, ""))

    def add(self, session: int, kind: str, item: str, text: str, at: int) -> None:
        """Add what is known of an item. Of two reports the later one counts, whichever comes first; "" is unknown."""
        row = self._row(session, kind, item)
        if text and (row is None or (at, text) > row[1:]):
            self._put(session, kind, item, text, at, row)

    def remove(self, session: int) -> None:
        """Remove all texts of a session."""
        rows = self._connection.execute("SELECT id, text FROM text WHERE session = ?", (session,)).fetchall()
        for number, text in rows:
            self._delete(number, text)

    def _row(self, session: int, kind: str, item: str) -> tuple[int, int, str] | None:
        query = "SELECT id, at, text FROM text WHERE session = ? AND kind = ? AND item = ?"
        row: tuple[int, int, str] | None = self._connection.execute(query, (session, kind, item)).fetchone()
        return row

    def _put(self, session: int, kind: str, item: str, text: str, at: int, row: tuple[int, int, str] | None) -> None:
        if row is not None and row[2] == text:
            self._connection.execute("UPDATE text SET at = ? WHERE id = ?", (at, row[0]))
            return
        if row is not None:
            self._delete(row[0], row[2])
        if text:
            values = (session, kind, item, at, text)
            insert = "INSERT INTO text (session, kind, item, at, text) VALUES (?, ?, ?, ?, ?)"
            number = self._connection.execute(insert, values).lastrowid
            self._connection.execute("INSERT INTO search (rowid, text) VALUES (?, ?)", (number, text))

    def _delete(self, number: int, text: str) -> None:
        """Remove a row. The index needs the text that it was built from."""
        self._connection.execute("INSERT INTO search (search, rowid, text) VALUES ('delete', ?, ?)", (number, text))
        self._connection.execute("DELETE FROM text WHERE id = ?", (number,))
