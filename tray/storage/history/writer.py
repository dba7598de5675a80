"""The only thread that writes the history while the tray runs."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from tray.core.history import HistoryRecord
from tray.storage.history.database import HistoryError, is_damage, open_history, recover
from tray.storage.history.recorder import Recorder

log = logging.getLogger(__name__)

BATCH_TIME, BATCH_SIZE = 0.25, 500  # s and records that are collected for one transaction
MAX_WAITING = 50_000  # records kept while they cannot be written; the oldest are dropped
STOP_TIMEOUT = 1.0  # s to write the last records


class HistoryWriter:
    """Takes records from the event loop's thread. It is not woken while there are none."""

    def __init__(self, path: Path, report: Callable[[str], None], on_stored: Callable[[], None]) -> None:
        """`report` takes a problem, or "" when it is over. Both are called on the writer's thread."""
        self._path = path
        self._report = report
        self._on_stored = on_stored
        self._queue: queue.SimpleQueue[list[HistoryRecord] | Future[None] | None] = queue.SimpleQueue()
        self._flushes: list[Future[None]] = []
        self._waiting: list[HistoryRecord] = []
        self._recorder: Recorder | None = None
        self._problem = ""
        self._stored = 0  # batches
        self._recovered_at = -1  # the number of batches when the database was repaired last
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        """Open the database and store records from now on."""
        self._thread.start()
        self._queue.put([])

    def put(self, records: list[HistoryRecord]) -> None:
        """Store records soon."""
        self._queue.put(records)

    def flush(self) -> Future[None]:
        """Store at once what was put before. The future fails with HistoryError if that is not possible now."""
        done: Future[None] = Future()
        self._queue.put(done)
        return done

    def retry(self) -> None:
        """Try again what could not be stored."""
        if self._problem:
            self._queue.put([])

    def stop(self) -> None:
        """Store what is waiting, within STOP_TIMEOUT, and close the database."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(STOP_TIMEOUT)

    def _run(self) -> None:
        is_stopping = False
        while not is_stopping:
            is_stopping = not self._collect()
            problem: Exception | None = None
            try:
                self._store_waiting()
            except Exception as error:  # the thread has to go on
                problem = error
                if _is_about_the_file(error):
                    self._failed(error)
                else:
                    log.exception("cannot store the history")
            self._answer(problem)
        self._close()

    def _answer(self, problem: Exception | None) -> None:
        flushes, self._flushes = self._flushes, []
        for flush in flushes:
            if not flush.set_running_or_notify_cancel():
                continue
            if problem is None:
                flush.set_result(None)
            else:
                flush.set_exception(HistoryError(f"the history cannot be written now: {problem}"))

    def _collect(self) -> bool:
        """Wait for records, and for those that follow soon. Return False once the writer has to stop."""
        records = self._queue.get()
        latest = time.monotonic() + BATCH_TIME
        while records is not None:
            if isinstance(records, Future):
                self._flushes.append(records)
                return True
            self._waiting += records
            left = latest - time.monotonic()
            if len(self._waiting) >= BATCH_SIZE or left <= 0:
                return True
            try:
                records = self._queue.get(timeout=left)
            except queue.Empty:
                return True
        return False

    def _store_waiting(self) -> None:
        """Store all waiting records. Raises an error about the file."""
        if self._recorder is None:
            connection, problem = open_history(self._path)
            self._recorder = Recorder(connection)
            if problem:
                self._report(problem)
        if self._waiting:
            try:
                self._recorder.store(self._waiting)
                self._waiting = []
            except Exception as error:
                if _is_about_the_file(error):
                    raise
                self._store_each(self._recorder)
            self._stored += 1
            self._on_stored()
        if self._problem:
            self._problem = ""
            self._report("")

    def _store_each(self, recorder: Recorder) -> None:
        """Store the waiting records one after another, without those that cannot be stored."""
        while self._waiting:
            try:
                recorder.store(self._waiting[:1])
            except Exception as error:
                if _is_about_the_file(error):
                    raise
                log.exception("cannot store a %s", type(self._waiting[0]).__name__)
            del self._waiting[0]

    def _failed(self, error: Exception) -> None:
        """Keep the records for another try; the database is opened again then."""
        del self._waiting[:-MAX_WAITING]
        self._close()
        if is_damage(error) and self._recover(error):
            return
        text = f"the history cannot be written: {error}"
        if text != self._problem:
            self._problem = text
            log.warning("%s (%s)", text, self._path)
            self._report(text)

    def _recover(self, error: Exception) -> bool:
        """Repair or replace a damaged database, and store the records soon. Return False if that is not possible."""
        try:
            problem = recover(self._path, error)
        except (sqlite3.Error, OSError, HistoryError):
            return False
        log.warning("%s (%s)", problem, self._path)
        self._report(problem)
        if self._recovered_at != self._stored:  # else it did not help
            self._recovered_at = self._stored
            self._queue.put([])
        return True

    def _close(self) -> None:
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None


def _is_about_the_file(error: Exception) -> bool:
    """Whether the same records may be stored later. All other errors are about a record, such as a number too large."""
    is_about_values = isinstance(error, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.ProgrammingError)
    return isinstance(error, sqlite3.Error | OSError | HistoryError) and not is_about_values
