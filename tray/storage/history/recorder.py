"""Stores records of the history."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import assert_never

from tray.core.history import (
    Annotation,
    BudgetNotice,
    EditRecord,
    HistoryRecord,
    ImportRecord,
    RequestRecord,
    SessionRecord,
    SessionsRemoved,
    StepRecord,
    StepsExpired,
    TurnRecord,
)
from tray.storage.history.schema import IN_AGENT, REMOVED, REMOVED_WITH_STEPS
from tray.storage.history.stored_rows import StoredSession, StoredStep, completed
from tray.storage.history.sum_tables import SumTables
from tray.storage.history.text_table import NOTE, TITLE, TextTable
from tray.storage.history.turn_tables import TurnTables


class Recorder:
    """Stores records with one connection. The result does not depend on their order, or on how often they come."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._ids: dict[tuple[str, ...], int] = {}  # of places, models and agents
        self._sums = SumTables(connection)
        self._texts = TextTable(connection)
        self._turns = TurnTables(connection, self._texts)
        (self._oldest_day,) = connection.execute("SELECT day FROM retention").fetchone()

    def store(self, records: Iterable[HistoryRecord]) -> None:
        """Store records in one transaction: all of them, or none. Raises sqlite3.Error."""
        with self._transaction():
            self._store(records)

    def remove(self, session_ids: Iterable[str], *, with_steps: bool) -> int:
        """Remove the text of sessions and of their subagents, and their turns and requests; return how many.

        Their steps stay, or are subtracted from all sums. Raises sqlite3.Error.
        """
        with self._transaction():
            return self._remove_all(session_ids, REMOVED_WITH_STEPS if with_steps else REMOVED)

    def compact(self) -> None:
        """Give free space back to the file system. Raises sqlite3.Error."""
        self._connection.execute("INSERT INTO search (search) VALUES ('optimize')")
        self._connection.executescript("PRAGMA incremental_vacuum")  # `execute` would free one page
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _expire(self, day: int) -> None:
        self._connection.execute("DELETE FROM edit WHERE day < ?", (day,))
        if not self._connection.execute("DELETE FROM step WHERE day < ?", (day,)).rowcount:
            return  # older steps that are imported later were not counted
        self._connection.execute("UPDATE retention SET day = max(day, ?)", (day,))
        self._oldest_day = max(self._oldest_day, day)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self._ids.clear()  # rows that were just added are gone
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the database."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _store(self, records: Iterable[HistoryRecord]) -> None:
        for record in records:
            match record:
                case SessionRecord():
                    self._store_session(record)
                case StepRecord():
                    self._store_step(record)
                case TurnRecord():
                    if (session := self._touched(record.session, record.ended)).deleted < REMOVED:
                        self._turns.add_turn(session.id, record)
                case RequestRecord():
                    if (session := self._session(record.session)).deleted < REMOVED:
                        self._turns.add_request(session.id, record)
                case EditRecord():
                    if (session := self._touched(record.session, record.ended)).deleted < REMOVED_WITH_STEPS:
                        self._turns.add_edit(session.id, record)
                case Annotation():
                    self._annotate(record)
                case SessionsRemoved(sessions, with_steps):
                    self._remove_all(sessions, REMOVED_WITH_STEPS if with_steps else REMOVED)
                case ImportRecord(source, until):
                    self._connection.execute(
                        "INSERT INTO import VALUES (?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
                        (source, until),
                    )
                case StepsExpired(day):
                    self._expire(day)
                case BudgetNotice():
                    row = (record.budget, record.start, record.threshold)
                    self._connection.execute("INSERT OR IGNORE INTO budget_notice VALUES (?, ?, ?)", row)
                case _:
                    assert_never(record)

    # ------------------------------------------------------------------ sessions

    def _store_session(self, record: SessionRecord) -> None:
        before = self._session(record.id)
        after = before._replace(
            parent=self._session(record.parent).id if record.parent else before.parent,
            place=self._place(record.host, record.directory) if record.host else before.place,
            kind=record.agent_kind.value,
            title="" if before.deleted >= REMOVED else record.title or before.title,
            created=record.created or before.created,
            deleted=max(before.deleted, IN_AGENT if record.is_deleted else 0),
            touched=max(before.touched, record.created),
        )
        if after == before:
            return
        if after.title != before.title:
            self._texts.replace(after.id, TITLE, after.title, 0)
        moved = (before.place, before.kind, before.parent is None) != (after.place, after.kind, after.parent is None)
        if moved:
            self._move(before, -1)
        self._connection.execute(
            """UPDATE session SET parent = ?, place = ?, kind = ?, title = ?, created = ?, deleted = ?, touched = ?
            WHERE id = ?""",
            (*after[1:], after.id),
        )
        if moved:
            self._move(after, 1)
        if record.parent and (removed := self._session(record.parent).deleted) >= REMOVED and removed > after.deleted:
            self._remove_all([record.id], removed)  # it was not known yet when its parent was removed

    def _session(self, uid: str) -> StoredSession:
        """Return a session, which is added if it is new."""
        query = f"{_SELECT_SESSION} WHERE uid = ?"
        row = self._connection.execute(query, (uid,)).fetchone()
        if row is None:
            place = self._place("", "")
            self._connection.execute("INSERT INTO session (uid, place) VALUES (?, ?)", (uid, place))
            row = self._connection.execute(query, (uid,)).fetchone()
        return StoredSession(*row)

    def _touched(self, uid: str, at: int) -> StoredSession:
        """Return a session in which something happened at a time."""
        session = self._session(uid)
        if at > session.touched:
            self._connection.execute("UPDATE session SET touched = ? WHERE id = ?", (at, session.id))
        return session

    def _annotate(self, record: Annotation) -> None:
        session = self._session(record.session)
        if session.deleted >= REMOVED:
            return
        if record.note is not None:
            self._texts.replace(session.id, NOTE, record.note, record.at)
        if record.pinned is not None:
            self._connection.execute("UPDATE session SET pinned = ? WHERE id = ?", (record.pinned, session.id))
        if record.tags is not None:
            self._connection.execute("DELETE FROM tag WHERE session = ?", (session.id,))
            rows = [(session.id, name) for name in record.tags]
            self._connection.executemany("INSERT OR IGNORE INTO tag VALUES (?, ?)", rows)

    def _move(self, session: StoredSession, sign: int) -> None:
        """Add the steps of a session to the daily sums, or subtract them."""
        steps = self._connection.execute(f"{_SELECT_STEP} WHERE session = ? AND NOT inherited", (session.id,))
        for step in [StoredStep(*row) for row in steps]:
            self._sums.add_daily(session, step, step.sums if sign > 0 else step.sums.negated())

    def _tree(self, uid: str) -> list[StoredSession]:
        """Return a session and its subagents; nothing if it is not known."""
        query = """WITH RECURSIVE tree(id) AS (
                SELECT id FROM session WHERE uid = ?
                UNION SELECT session.id FROM session JOIN tree ON session.parent = tree.id
            ) SELECT id FROM tree"""
        return [self._session_by_id(row[0]) for row in self._connection.execute(query, (uid,)).fetchall()]

    def _remove_all(self, session_ids: Iterable[str], level: int) -> int:
        trees = {each.id: each for session_id in session_ids for each in self._tree(session_id)}
        for session in trees.values():
            self._remove(session, level)
        return len(trees)

    def _remove(self, session: StoredSession, level: int) -> None:
        self._turns.remove(session.id)
        self._connection.execute("DELETE FROM tag WHERE session = ?", (session.id,))
        if level == REMOVED_WITH_STEPS:
            for row in self._connection.execute(f"{_SELECT_STEP} WHERE session = ?", (session.id,)).fetchall():
                step = StoredStep(*row)
                self._sums.add(session, step, step.sums.negated())
            for table in ("step", "edit"):
                self._connection.execute(f"DELETE FROM {table} WHERE session = ?", (session.id,))
        update = "UPDATE session SET title = '', pinned = 0, deleted = max(deleted, ?) WHERE id = ?"
        self._connection.execute(update, (level, session.id))

    # ------------------------------------------------------------------ steps

    def _store_step(self, record: StepRecord) -> None:
        session = self._touched(record.session, record.ended)
        if session.deleted == REMOVED_WITH_STEPS or record.day < self._oldest_day:
            return
        row = self._connection.execute(f"{_SELECT_STEP} WHERE id = ?", (record.id,)).fetchone()
        before = StoredStep(*row) if row is not None else None
        after = self._step(record, session.id)
        if before is not None:
            after = completed(before, after)
            if after == before:
                return
            if before.session != session.id:
                session = self._session_by_id(before.session)
            self._sums.add(session, before, before.sums.negated())
        self._connection.execute(
            f"INSERT OR REPLACE INTO step VALUES (?, {', '.join('?' for _ in after)})",
            (record.id, *after),
        )
        self._sums.add(session, after, after.sums)

    def _session_by_id(self, session_id: int) -> StoredSession:
        return StoredSession(*self._connection.execute(f"{_SELECT_SESSION} WHERE id = ?", (session_id,)).fetchone())

    def _step(self, record: StepRecord, session: int) -> StoredStep:
        tokens = record.tokens
        return StoredStep(
            session,
            self._id("model", record.model),
            self._id("agent", record.agent),
            record.day,
            record.created,
            record.ended,
            tokens.input,
            tokens.output,
            tokens.reasoning,
            tokens.cache_read,
            tokens.cache_write,
            record.reported,
            record.estimated,
            record.failed,
            record.inherited,
        )

    # ------------------------------------------------------------------ names

    def _place(self, host: str, directory: str) -> int:
        return self._id("place", host, directory)

    def _id(self, table: str, *names: str) -> int:
        """Return the id of a row with these names, which is added if it is new."""
        known = self._ids.get((table, *names))
        if known is None:
            columns = "(host, directory)" if table == "place" else "(name)"
            marks = ", ".join("?" for _ in names)
            insert = f"INSERT OR IGNORE INTO {table} {columns} VALUES ({marks})"
            self._connection.execute(insert, names)
            select = f"SELECT id FROM {table} WHERE {columns} = ({marks})"
            (known,) = self._connection.execute(select, names).fetchone()
            self._ids[(table, *names)] = known
        return int(known)


_SELECT_SESSION = f"SELECT {', '.join(StoredSession._fields)} FROM session"
_SELECT_STEP = f"SELECT {', '.join(StoredStep._fields)} FROM step"
