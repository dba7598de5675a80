"""The thread that writes the history: nothing is lost while the database cannot be written, and it says so once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tray.core.history import HistoryRecord, SessionRecord, StepRecord, TurnRecord
from tray.core.messages import Tokens
from tray.storage.history.database import HistoryError
from tray.storage.history.schema import VERSION
from tray.storage.history.search import SessionQuery, find_sessions
from tray.storage.history.usage import usage
from tray.storage.history.writer import HistoryWriter
from waiting import until

DAY = 20_000


def steps(*numbers: int) -> list[HistoryRecord]:
    return [StepRecord(f"msg_{number}", "ses", 1_000, DAY, tokens=Tokens(10), reported=5) for number in numbers]


class Written:
    """A writer with what it has reported."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self.batches = 0
        self.writer = HistoryWriter(path, self.problems.append, self._count)
        self.writer.start()

    def _count(self) -> None:
        self.batches += 1

    @property
    def count(self) -> int:
        """The number of steps that are stored."""
        return sum(sums.steps for sums in usage(self.path, DAY, DAY))


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    found = Written(tmp_path / "data" / "history.db")
    yield found
    found.writer.stop()


def test_records_that_follow_soon_are_stored_together(written: Written) -> None:
    for number in range(100):
        written.writer.put(steps(number))
    until(lambda: written.batches, "the batch")
    until(lambda: written.count == 100, "all steps")
    assert (written.batches <= 2, written.problems) == (True, [])


def test_the_last_records_are_stored_when_it_stops(written: Written) -> None:
    written.writer.put(steps(1))
    written.writer.stop()
    assert written.count == 1


def test_a_flush_ends_when_everything_before_is_stored(written: Written) -> None:
    for number in range(3):
        written.writer.put(steps(number))
        written.writer.flush().result(5)
        assert written.count == number + 1


def test_a_flush_fails_while_the_history_cannot_be_written_and_the_records_are_kept(written: Written) -> None:
    written.writer.flush().result(5)
    other = sqlite3.connect(written.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    written.writer.put(steps(1))
    with pytest.raises(HistoryError, match="cannot be written now: database is locked"):
        written.writer.flush().result(10)
    other.close()
    written.writer.flush().result(5)
    assert written.count == 1


def damage_the_index(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE search_data SET block = zeroblob(50)")


def damage_another_index(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA writable_schema = ON")
        other.execute(
            "UPDATE sqlite_schema SET sql = 'CREATE INDEX session_touched ON session (touched) WHERE id < 0'"
            " WHERE name = 'session_touched'"
        )
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE session SET touched = 7")  # not in the index
        other.execute("PRAGMA writable_schema = ON")
        other.execute(
            "UPDATE sqlite_schema SET sql = 'CREATE INDEX session_touched ON session (touched)"
            " WHERE parent IS NULL' WHERE name = 'session_touched'"
        )
        other.execute("PRAGMA schema_version = 900")


def damage_the_tables(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        (page,) = other.execute("PRAGMA page_size").fetchone()
        with path.open("r+b") as file:  # all but the first page, which has the names of the tables
            file.seek(page)
            file.write(b"\xff" * (path.stat().st_size - page))
        other.execute(f"PRAGMA user_version = {VERSION}")  # a change: the writer reads the pages again


@pytest.mark.parametrize(
    ("damage", "expected", "count"),
    [
        (damage_the_index, "an index of the history was damaged; it was built again", 3),
        (damage_another_index, "an index of the history was damaged; it was built again", 3),
        (damage_the_tables, "the history was damaged (", 2),
    ],
)
def test_a_history_that_is_damaged_while_it_is_open_is_repaired_or_replaced(
    written: Written, damage: Callable[[Path], None], expected: str, count: int
) -> None:
    written.writer.put([SessionRecord("ses", host="desk", title="Before"), *steps(1)])
    written.writer.flush().result(5)
    damage(written.path)
    written.writer.put([SessionRecord("ses", host="desk", title="After"), *steps(2)])
    until(lambda: written.problems, "the report")
    assert written.problems[0].startswith(expected)
    until(lambda: [each.title for each in find_sessions(written.path, SessionQuery("after"))] == ["After"], "the title")
    written.writer.put(steps(3))
    written.writer.flush().result(5)
    assert (written.count, len(written.problems)) == (count, 1)


def test_a_history_that_is_locked_is_written_later(written: Written) -> None:
    written.writer.put(steps(1))
    until(lambda: written.batches, "the database")
    other = sqlite3.connect(written.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    written.writer.put(steps(2))
    until(lambda: written.problems, "the problem")
    written.writer.put(steps(3))
    written.writer.retry()
    other.execute("ROLLBACK")
    other.close()
    written.writer.retry()
    until(lambda: written.count == 3, "all steps")
    assert written.problems[-1] == ""
    assert [text for text in written.problems if text] == ["the history cannot be written: database is locked"]


@pytest.mark.parametrize("bad", [StepRecord("m", "s", 1, DAY, tokens=Tokens(2**63)), SessionRecord("\ud800")])
def test_a_record_that_cannot_be_stored_takes_no_other_one_with_it(written: Written, bad: HistoryRecord) -> None:
    written.writer.put([*steps(1), bad, *steps(2)])
    until(lambda: written.count == 2, "the other steps")
    written.writer.put(steps(3))
    until(lambda: written.count == 3, "the next step")
    assert written.problems == []


def test_a_sum_that_is_too_large_does_not_stop_the_history(written: Written) -> None:
    large = [StepRecord(f"large_{number}", "ses", 1_000, DAY, tokens=Tokens(2**62)) for number in range(2)]
    written.writer.put([*large, *steps(1), SessionRecord("other"), TurnRecord("other", 1, 2, DAY)])
    until(lambda: written.batches, "the batch")
    with closing(sqlite3.connect(written.path)) as connection:
        assert connection.execute("SELECT count(*) FROM turn").fetchone() == (1,)
    assert written.problems == []


def test_a_damaged_history_is_replaced_and_nothing_new_is_lost(written: Written) -> None:
    written.writer.put(steps(1))
    until(lambda: written.batches, "the database")
    written.writer.stop()
    written.path.write_bytes(b"no database " * 1000)
    again = Written(written.path)
    again.writer.put(steps(2))
    until(lambda: again.batches, "the new history")
    assert again.count == 1
    again.writer.stop()
    assert ["was damaged" in text for text in again.problems] == [True]


def test_a_file_in_place_of_the_folder_is_reported_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    found = Written(tmp_path / "data" / "history.db")
    found.writer.put(steps(1))
    until(lambda: found.problems, "the problem")
    (tmp_path / "data").unlink()
    found.writer.retry()
    until(lambda: found.count == 1, "the step")
    found.writer.stop()
    assert len([text for text in found.problems if text]) == 1
