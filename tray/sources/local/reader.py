"""Read the sessions of processes from their data folders, and infer the state of each one."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from tray.files.reading import is_folder
from tray.opencode.processes import OpenCodeProcess
from tray.sources.local import database, json_storage
from tray.sources.local.files import database_files
from tray.sources.local.inference import Inferred, infer
from tray.sources.local.logs import Logs, Run
from tray.sources.local.owners import SESSION_OPTIONS, owners
from tray.sources.local.records import StoredSession

log = logging.getLogger(__name__)


class Reading(msgspec.Struct):
    """The result of one reading."""

    sessions: dict[int, list[Inferred]] = msgspec.field(default_factory=dict)  # by pid; absent: could not be read
    cpu_time: float = 0.0  # s that the reading took
    was_locked: bool = False  # whether a database was locked


class StoredSessionReader:
    """Reads data folders, and remembers what is needed for the next reading. Calls are serialized by a lock."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._logs: dict[Path, Logs] = {}  # by data folder
        self._stored: dict[Path, dict[Path, list[StoredSession]]] = {}  # the last result by data folder and database
        self._unreadable: set[Path] = set()  # data folders with a logged error

    def read(self, processes: Collection[OpenCodeProcess]) -> Reading:
        """Read the sessions of these processes. Blocks; an error in one data folder does not affect the others."""
        started = time.thread_time()
        reading = Reading()
        with self._lock:
            for data in {process.data for process in processes}:
                self._try_to_read(data, [process for process in processes if process.data == data], reading)
        reading.cpu_time = time.thread_time() - started
        return reading

    def keep(self, folders: Collection[Path]) -> None:
        """Close the files of all other data folders, and forget their sessions."""
        with self._lock:
            for data in self._logs.keys() - set(folders):
                self._logs.pop(data).close()
                self._stored.pop(data, None)
            self._unreadable &= set(folders)

    def _try_to_read(self, data: Path, processes: list[OpenCodeProcess], reading: Reading) -> None:
        try:
            self._read_folder(data, processes, reading)
        except Exception:
            if data not in self._unreadable:
                log.warning("cannot read %s", data, exc_info=True)
            self._unreadable.add(data)
        else:
            self._unreadable.discard(data)

    def _read_folder(self, data: Path, processes: list[OpenCodeProcess], reading: Reading) -> None:
        logs = self._logs.setdefault(data, Logs(data / "log"))
        logs.read(min(process.started for process in processes))
        runs = logs.runs_of({process.pid: process.started for process in processes})
        sessions = self._read_sessions(data, processes, runs, reading)
        found = owners(sessions, processes, runs)
        for process in processes:
            own = [session for session in sessions if found.get(session.info.id) is process]
            reading.sessions[process.pid] = [self._infer(session, process, runs.get(process.pid)) for session in own]

    def _read_sessions(
        self, data: Path, processes: list[OpenCodeProcess], runs: Mapping[int, Run], reading: Reading
    ) -> list[StoredSession]:
        """Return the sessions that these processes may work on."""
        directories = {process.directory for process in processes}
        since = int(min(process.started for process in processes) * 1000)
        session_ids = {session_id for run in runs.values() for session_id in run.sessions}
        session_ids |= {name for process in processes if (name := process.option(*SESSION_OPTIONS))}
        sessions: dict[str, StoredSession] = {}
        stored = self._stored.setdefault(data, {})
        for file in database_files(processes):
            try:
                stored[file] = database.read_sessions(file, directories, since, session_ids)
            except sqlite3.Error as error:  # the sessions of the last reading stay
                log.debug("cannot read %s: %s", file, error)
                reading.was_locked |= isinstance(error, sqlite3.OperationalError)
            _merge(sessions, stored.get(file, ()))
        if is_folder(data / "storage" / "session"):
            _merge(sessions, json_storage.read_sessions(data / "storage", directories, since, session_ids))
        return list(sessions.values())

    def _infer(self, stored: StoredSession, process: OpenCodeProcess, run: Run | None) -> Inferred:
        asks, logs_answers = (run.asks, run.logs_answers) if run is not None else ([], False)
        return infer(stored, asks, int(process.started * 1000), self._now(), logs_answers=logs_answers)


def _merge(sessions: dict[str, StoredSession], more: Iterable[StoredSession]) -> None:
    """Add sessions. If two versions of OpenCode or a copy of a database store the same one, the newer one is kept."""
    for session in more:
        known = sessions.get(session.info.id)
        if known is None or known.updated < session.updated:
            sessions[session.info.id] = session
