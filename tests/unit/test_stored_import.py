"""The import of stored sessions: oldest first, and an interrupted one continues where it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec

from tray.core.history import ImportRecord, SessionRecord, StepRecord
from tray.core.messages import Message
from tray.sources.stored.imported_session import ChangedSession, ImportedSession, StoredSource
from tray.sources.stored.importer import OVERLAP, ImportOptions, Step, import_stored

NOW = 1_795_237_290_000
OPTIONS = ImportOptions(lambda at: at // 86_400_000, {}, keeps_text=True)
CHANGED = {"old": NOW, "newer": NOW + 10 * OVERLAP, "gone": NOW + 20 * OVERLAP}


class Stored:
    """A source with three sessions, of which one is removed before it is read."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.unreadable = ""
        self.source = StoredSource("/store", self._find, self._read)

    def _find(self, since: int) -> list[ChangedSession]:
        return [ChangedSession(name, at) for name, at in CHANGED.items() if at >= since]

    def _read(self, name: str) -> ImportedSession | None:
        self.read.append(name)
        if name == self.unreadable:
            raise sqlite3.OperationalError("database is locked")
        if name == "gone":
            return None
        message = Message(f"msg_{name}", completed=NOW, cost=0.5)
        return ImportedSession(SessionRecord(name, title="Title " * 100), (message,))

    def steps(self, until: Mapping[str, int], options: ImportOptions = OPTIONS) -> list[Step]:
        return list(import_stored([self.source], until, options))


def test_each_session_is_read_once_with_the_progress() -> None:
    stored = Stored()
    steps = stored.steps({})
    assert stored.read == ["old", "newer", "gone"]
    assert [(step.done, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3), (3, 3)]
    session, step, _ = steps[0].records
    assert isinstance(session, SessionRecord)
    assert len(session.title) == 200
    assert isinstance(step, StepRecord)
    assert step.reported == 500_000


def test_an_interrupted_import_continues_with_the_next_session() -> None:
    stored = Stored()
    (*_, mark) = stored.steps({})[1].records
    assert mark == ImportRecord("/store", CHANGED["newer"])
    stored.read.clear()
    stored.steps({"/store": mark.until})
    assert stored.read == ["newer", "gone"]  # a session that is still written is read again


def test_a_session_that_cannot_be_read_now_is_read_again_by_the_next_import() -> None:
    stored, other = Stored(), Stored()
    stored.unreadable = "newer"
    steps = list(import_stored([stored.source, other.source._replace(name="/other")], {}, OPTIONS))
    marks = [record for step in steps for record in step.records if isinstance(record, ImportRecord)]
    assert [mark.until for mark in marks if mark.source == "/store"] == [CHANGED["old"]]
    assert [mark.source for mark in marks].count("/other") == 4
    assert stored.read == other.read == ["old", "newer", "gone"]


def test_a_source_that_cannot_be_searched_stops_no_other() -> None:
    def fail(_: int) -> list[ChangedSession]:
        raise PermissionError("no permission")

    stored = Stored()
    (*_, last) = import_stored([stored.source._replace(name="/closed", find=fail), stored.source], {}, OPTIONS)
    assert next(record for record in last.records if isinstance(record, ImportRecord)).source == "/store"
    assert stored.read == ["old", "newer", "gone"]


def test_without_text_no_title_is_imported() -> None:
    options = OPTIONS._replace(keeps_text=False)
    session = Stored().steps({}, options)[0].records[0]
    assert msgspec.structs.asdict(session)["title"] == ""
