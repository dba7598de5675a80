"""The tables of sums: `daily`, `total` and `latency`. Everything here runs inside a transaction of the caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tray.storage.history.stored_rows import StoredSession, StoredStep, Sums, bucket_of


class SumTables:
    """Adds steps to sums, or subtracts them, with one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, session: StoredSession, step: StoredStep, sums: Sums) -> None:
        """Add a step to all sums, or subtract it."""
        if step.inherited:
            return
        self.add_daily(session, step, sums)
        self._add_row("total", ("session",), (session.id,), sums)
        if step.created:
            bucket = bucket_of(step.ended - step.created)
            self._add_row("latency", ("day", "model", "bucket"), (step.day, step.model, bucket), (sums.steps,))

    def add_daily(self, session: StoredSession, step: StoredStep, sums: Sums) -> None:
        """Add a step to the sums by day, or subtract it."""
        key = step.day, session.place, session.kind, step.model, step.agent, session.parent is not None
        self._add_row("daily", ("day", "place", "kind", "model", "agent", "sub"), key, sums)

    def _add_row(self, table: str, names: Sequence[str], key: Sequence[object], sums: Sequence[int]) -> None:
        """Add numbers to a row of sums, of which the first is the number of steps. A row without steps is removed."""
        columns = Sums._fields[: len(sums)]
        marks = ", ".join("?" for _ in (*key, *sums))
        added = ", ".join(f"{name} = {name} + excluded.{name}" for name in columns)
        insert = f"INSERT INTO {table} ({', '.join((*names, *columns))}) VALUES ({marks})"
        self._connection.execute(f"{insert} ON CONFLICT DO UPDATE SET {added}", (*key, *sums))
        if sums[0] < 0:
            condition = " AND ".join(f"{name} = ?" for name in names)
            self._connection.execute(f"DELETE FROM {table} WHERE {condition} AND steps = 0", key)
