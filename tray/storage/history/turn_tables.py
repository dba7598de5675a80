"""Stores turns, requests and changes of files."""

from __future__ import annotations

import sqlite3

from tray.core.history import EditRecord, RequestRecord, TurnRecord
from tray.storage.history.text_table import PROMPT, REPLY, REQUEST, TextTable


class TurnTables:
    """The tables `turn`, `request` and `edit`. All methods raise sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection, texts: TextTable) -> None:
        self._connection = connection
        self._texts = texts

    def add_turn(self, session: int, record: TurnRecord) -> None:
        """Add what the record says. The latest end and the worst outcome count."""
        identifier = record.id or str(record.started)
        self._connection.execute(
            """INSERT INTO turn VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
            SET ended = max(ended, excluded.ended), day = max(day, excluded.day), outcome = CASE
                WHEN outcome = 'completed' THEN excluded.outcome
                WHEN excluded.outcome = 'completed' THEN outcome ELSE min(outcome, excluded.outcome) END""",
            (session, identifier, record.started, record.ended, record.day, record.outcome.value),
        )
        self._texts.add(session, PROMPT, identifier, record.prompt, record.started)
        self._texts.add(session, REPLY, identifier, record.reply, record.ended)

    def add_request(self, session: int, record: RequestRecord) -> None:
        """Add what the record says. The earliest time of closing counts."""
        self._connection.execute(
            """INSERT INTO request VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
            kind = CASE kind WHEN '' THEN excluded.kind ELSE kind END,
            title = CASE title WHEN '' THEN excluded.title ELSE title END, asked = max(asked, excluded.asked),
            closed = CASE WHEN closed = 0 OR excluded.closed = 0 THEN max(closed, excluded.closed)
                ELSE min(closed, excluded.closed) END,
            verdict = max(verdict, excluded.verdict), surface = max(surface, excluded.surface)""",
            (
                session,
                record.id,
                record.kind,
                record.title,
                record.asked,
                record.closed,
                record.verdict,
                record.surface,
            ),
        )
        self._texts.add(session, REQUEST, record.id, record.detail, record.asked)

    def add_edit(self, session: int, record: EditRecord) -> None:
        """Add a change of a file. Of two reports the first one counts: the time of a later one is that of a restart."""
        self._connection.execute(
            """INSERT INTO edit VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET day = min(day, excluded.day),
            ended = min(ended, excluded.ended), added = max(added, excluded.added),
            removed = max(removed, excluded.removed)""",
            (record.id, session, record.ended, record.day, record.extension, record.added, record.removed),
        )

    def remove(self, session: int) -> None:
        """Remove the turns, requests and texts of a session."""
        for table in ("turn", "request"):
            self._connection.execute(f"DELETE FROM {table} WHERE session = ?", (session,))
        self._texts.remove(session)
