"""The sessions of processes that neither a plugin nor an HTTP server tells of."""

from __future__ import annotations

import asyncio
import logging
import socket
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from tray.core.events import ServerConnected, ServerForgotten, ServerLost, SnapshotTaken, SourceEvent
from tray.core.model import Activity, Server, Source
from tray.core.text import clean
from tray.opencode.processes import OpenCodeProcess
from tray.opencode.sqlite import databases
from tray.sources.local import database, json_storage
from tray.sources.local.inference import Inferred, infer
from tray.sources.local.logs import Logs, Run
from tray.sources.local.records import StoredSession
from tray.system.folder_watch import CHANGE_EVENTS, FolderWatch
from tray.system.git import repository_of

log = logging.getLogger(__name__)

PACE, LONGEST_PACE = 1.0, 3.0  # s between two readings, at least and at most
RETRY, LONGEST_RETRY = 2.0, 120.0  # s after which a database that was locked is read again, doubled each time
SHARE = 0.0015  # of a core that reading may take, the watching beside it half as much: the dearer, the less often


class LocalSessions:
    """Reads what OpenCode's processes leave on disk, whenever that changes, and reports what it shows.

    Nothing is read or watched while every process is told of by a better source.
    """

    def __init__(self, report: Callable[[SourceEvent], None], now: Callable[[], int]) -> None:
        self._report = report
        self._now = now
        self._processes: dict[str, OpenCodeProcess] = {}  # by the id of their server
        self._ended: dict[str, OpenCodeProcess] = {}  # likewise; to be read for the last time
        self._told: dict[str, SnapshotTaken] = {}
        self._logs: dict[Path, Logs] = {}
        self._stored: dict[
            tuple[Path, Path], list[StoredSession]
        ] = {}  # by data folder and database, what was read of it last
        self._unreadable: set[Path] = set()
        self._retry = RETRY
        self._was_locked = False  # in the reading under way
        self._read_at: Mapping[Path, tuple[int, int]] = {}  # what the files were like when they were read
        self._changed = asyncio.Event()
        self._watch = FolderWatch(CHANGE_EVENTS, self._changed.set)
        self._timer: asyncio.TimerHandle | None = None

    def follow(self, processes: Collection[OpenCodeProcess], covered: Collection[tuple[int, str]]) -> None:
        """Follow these, and no others; `covered`: the directories of processes that a better source follows."""
        alive = {_id(process): process for process in processes}
        wanted = {name: one for name, one in alive.items() if (one.pid, one.directory) not in covered}
        for name in self._processes.keys() - wanted.keys():
            if name in alive:
                self._told.pop(name, None)
                self._report(ServerForgotten(name))
            else:
                self._ended[name] = self._processes[name]
        for name in wanted.keys() - self._processes.keys():
            self._ended.pop(name, None)
            self._report(ServerConnected(_server(name, wanted[name])))
        if wanted.keys() != self._processes.keys():
            self._changed.set()
        self._processes = wanted

    async def run(self) -> None:
        """Read at each change, until cancelled."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                self._watch.pause()
                cost = await self._read()
                await asyncio.sleep(min(max(PACE, cost / SHARE), LONGEST_PACE))
                self._watch.watch(self._folders())
                if self._stamps() != self._read_at:
                    self._changed.set()  # it changed while nobody watched
        finally:
            self._watch.stop()
            for logs in self._logs.values():
                logs.close()
            if self._timer is not None:
                self._timer.cancel()

    def reread(self) -> None:
        """Read again: time has passed that nobody counted."""
        self._changed.set()

    # ------------------------------------------------------------------ reading

    async def _read(self) -> float:
        """Read, and report what differs; the seconds of a core that reading took."""
        ended, self._ended = self._ended, {}
        processes = {**ended, **self._processes}
        self._read_at = self._stamps()
        self._was_locked = False
        found, cost = await asyncio.to_thread(self._read_all, list(processes.values()))
        times = [self._now() + int(self._retry * 1000)] if self._was_locked else []
        self._retry = min(2 * self._retry, LONGEST_RETRY) if self._was_locked else RETRY
        for name, process in processes.items():
            told = found.get(process.pid)
            if told is None or process not in (self._processes.get(name), ended.get(name)):
                continue  # it could not be read, or is followed no more
            snapshot = _snapshot(name, told)
            if name not in ended:
                times += [one.again for one in told if one.again]
            if self._told.get(name) != snapshot:
                self._told[name] = snapshot
                self._report(snapshot)
        for name in ended.keys() - self._processes.keys():
            self._report(_end(name, ended[name], self._told.pop(name, None)))
        if self._timer is not None:
            self._timer.cancel()
        if times:
            wait = max(0.1, (min(times) - self._now()) / 1000)
            self._timer = asyncio.get_running_loop().call_later(wait, self._changed.set)
        return cost

    def _read_all(self, processes: list[OpenCodeProcess]) -> tuple[dict[int, list[Inferred]], float]:
        """By process, what can be told of its sessions, and what that cost; on a thread of its own."""
        begun = time.thread_time()
        found: dict[int, list[Inferred]] = {}
        for data in {process.data for process in processes}:
            mine = [process for process in processes if process.data == data]
            try:
                found |= self._read_folder(data, mine)
            except Exception:  # what one OpenCode keeps costs no other
                if data not in self._unreadable:
                    log.warning("%s cannot be read", data, exc_info=True)
                self._unreadable.add(data)
            else:
                self._unreadable.discard(data)
        return found, time.thread_time() - begun

    def _read_folder(self, data: Path, processes: list[OpenCodeProcess]) -> dict[int, list[Inferred]]:
        logs = self._logs.setdefault(data, Logs(data / "log"))
        logs.read(min(process.started for process in processes))
        runs = logs.runs_of({process.pid: process.started for process in processes})
        stored = self._read_stored(data, processes, runs)
        owners = _owners(stored, processes, runs)
        return {
            process.pid: [
                self._infer(one, process, runs.get(process.pid)) for one in stored if owners.get(one.info.id) is process
            ]
            for process in processes
        }

    def _read_stored(
        self, data: Path, processes: list[OpenCodeProcess], runs: Mapping[int, Run]
    ) -> list[StoredSession]:
        """The sessions that these processes may work on."""
        directories = {process.directory for process in processes}
        since = int(min(process.started for process in processes) * 1000)
        also = {name for run in runs.values() for name in run.sessions}
        also |= {name for process in processes if (name := process.option("--session", "-s"))}
        found: dict[str, StoredSession] = {}
        for file in _databases(processes):
            try:
                self._stored[data, file] = database.read_sessions(file, directories, since, also)
            except sqlite3.Error as error:
                log.debug("%s cannot be read: %s", file, error)
                self._was_locked |= isinstance(error, sqlite3.OperationalError)
            _merge(found, self._stored.get((data, file), ()))  # what cannot be read now is not gone
        if (data / "storage" / "session").is_dir():
            _merge(found, json_storage.read_sessions(data / "storage", directories, since, also))
        return list(found.values())

    def _infer(self, stored: StoredSession, process: OpenCodeProcess, run: Run | None) -> Inferred:
        asks, tells = (run.asks, run.tells_answers) if run is not None else ([], False)
        return infer(stored, asks, int(process.started * 1000), self._now(), tells_answers=tells)

    def _folders(self) -> list[Path]:
        processes = self._processes.values()
        folders = {process.data for process in processes} | {process.data / "log" for process in processes}
        return [*folders, *{file.parent for file in _databases(processes)}]

    def _stamps(self) -> dict[Path, tuple[int, int]]:
        """What a write changes: the size and the time of the files that OpenCode writes to."""
        stamps = {}
        bases = _databases(self._processes.values())
        logs = (log for data in {one.data for one in self._processes.values()} for log in _globbed(data / "log"))
        for file in (*bases, *(base.with_name(f"{base.name}-wal") for base in bases), *logs):
            with suppress(OSError):
                told = file.stat()
                stamps[file] = (told.st_size, told.st_mtime_ns)
        return stamps


def _globbed(folder: Path) -> list[Path]:
    try:
        return list(folder.glob("*.log"))
    except OSError:
        return []


def _databases(processes: Collection[OpenCodeProcess]) -> list[Path]:
    """The databases that they may use."""
    named = dict.fromkeys((process.data, process.environment.get("OPENCODE_DB", "")) for process in processes)
    found: dict[Path, None] = {}
    for data, name in named:
        with suppress(OSError):
            found |= dict.fromkeys(databases(data, name))
    return list(found)


def _id(process: OpenCodeProcess) -> str:
    return f"local:{process.pid}:{int(process.started)}"


def _server(name: str, process: OpenCodeProcess) -> Server:
    folder = clean(process.directory.rstrip("/\\").replace("\\", "/").rpartition("/")[2])
    return Server(
        id=name,
        name=folder,
        host=socket.gethostname(),
        directory=process.directory,
        repository=repository_of(process.directory),
        pid=process.pid,
        source=Source.LOCAL,
        runs_once=process.command == "run",
    )


def _end(name: str, process: OpenCodeProcess, told: SnapshotTaken | None) -> ServerLost | ServerForgotten:
    """What the end of a process means, by what it left: one that had nothing to do any more is nothing to show."""
    if told is None or not told.sessions:
        return ServerForgotten(name)
    working = any(activity is not Activity.IDLE for activity, _ in (told.activities or {}).values())
    if working or told.permissions or told.questions:
        return ServerLost(name)
    return ServerLost(name, goodbye=True) if process.command == "run" else ServerForgotten(name)


def _snapshot(name: str, told: list[Inferred]) -> SnapshotTaken:
    return SnapshotTaken(
        name,
        sessions=tuple(one.facts for one in told),
        activities={one.facts.id: (one.activity, None) for one in told},
        permissions=tuple(one.permission for one in told if one.permission is not None),
        questions=tuple(one.question for one in told if one.question is not None),
        todos={one.facts.id: one.todos for one in told},
    )


def _merge(found: dict[str, StoredSession], more: Iterable[StoredSession]) -> None:
    """Of a session that is kept twice, by two versions or in a copy, the newer counts."""
    for one in more:
        known = found.get(one.info.id)
        if known is None or _touched(known) < _touched(one):
            found[one.info.id] = one


def _touched(stored: StoredSession) -> float:
    return stored.info.time.updated if stored.info.time is not None else 0


def _owners(
    stored: Iterable[StoredSession], processes: list[OpenCodeProcess], runs: Mapping[int, Run]
) -> dict[str, OpenCodeProcess]:
    """Which process works on which session: by its log, else by its arguments, else by where and when."""
    known = {one.info.id: one for one in stored}
    owners: dict[str, OpenCodeProcess] = {}
    for name, one in known.items():
        by_log = [
            process for process in processes if (run := runs.get(process.pid)) is not None and name in run.sessions
        ]
        by_argument = [process for process in processes if process.option("--session", "-s") == name]
        alike = [p for p in processes if p.directory == one.info.directory and p.started <= _touched(one) / 1000]
        for candidates in (by_log, by_argument, alike if one.info.parentID is None else []):
            if candidates:
                owners[name] = candidates[-1]
                break
    for name, one in known.items():
        above, visited = one.info.parentID, {name}
        while name not in owners and above in known and above not in visited:
            if above in owners:
                owners[name] = owners[above]
            visited.add(above)
            above = known[above].info.parentID
    return owners
