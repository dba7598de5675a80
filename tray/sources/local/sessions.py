"""Report the sessions of processes that neither a plugin nor an HTTP server reports."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from tray.core.events import ServerConnected, ServerForgotten, SnapshotTaken, SourceEvent, StepsReported
from tray.core.messages import Message
from tray.core.servers import AgentKind, Server
from tray.opencode.processes import OpenCodeProcess
from tray.sources.local.files import Stamp, file_stamps, folders_to_watch
from tray.sources.local.inference import Inferred
from tray.sources.local.reader import StoredSessionReader
from tray.sources.process_server import process_end, process_server
from tray.system.backoff import Backoff
from tray.system.folder_watch import CHANGE_EVENTS, FolderWatch

log = logging.getLogger(__name__)

MIN_INTERVAL, MAX_INTERVAL = 1.0, 3.0  # s between two readings
CPU_SHARE = 0.0015  # of a core that readings may use on average, up to MAX_INTERVAL; watching uses half as much
FIRST_RETRY, MAX_RETRY = 2.0, 120.0  # s after which a locked database is read again, doubled each time
MIN_RECHECK = 0.1  # s


class LocalSessions:
    """Reads the files of OpenCode processes whenever they change, and reports their sessions.

    Nothing is read or watched while better sources report all processes.
    """

    def __init__(self, report: Callable[[SourceEvent], None], now: Callable[[], int]) -> None:
        self._report = report
        self._now = now
        self._reader = StoredSessionReader(now)
        self._processes: dict[str, OpenCodeProcess] = {}  # by server id
        self._ended: dict[str, OpenCodeProcess] = {}  # by server id, to be read for the last time
        self._snapshots: dict[str, SnapshotTaken] = {}  # the last one by server id
        self._steps: dict[str, dict[str, tuple[Message, ...]]] = {}  # that were reported, by server id and session id
        self._stamps: Mapping[Path, Stamp] = {}  # of the files before the last reading
        self._changed = asyncio.Event()
        self._watch = FolderWatch(CHANGE_EVENTS, self._changed.set)
        self._timer: asyncio.TimerHandle | None = None
        self._has_failed = False
        self._retry = Backoff(FIRST_RETRY, MAX_RETRY)

    def follow(self, processes: Collection[OpenCodeProcess], covered: Collection[tuple[int, str]]) -> None:
        """Follow these processes and no others.

        `covered`: pid and directory of the processes that a better source reports.
        """
        running = {_server_id(process): process for process in processes}
        wanted = {
            server_id: process
            for server_id, process in running.items()
            if (process.pid, process.directory) not in covered
        }
        for server_id in self._processes.keys() - wanted.keys():
            if server_id in running:
                self._snapshots.pop(server_id, None)
                self._steps.pop(server_id, None)
                self._report(ServerForgotten(server_id))
            else:
                self._ended[server_id] = self._processes[server_id]
        for server_id in wanted.keys() - self._processes.keys():
            self._ended.pop(server_id, None)
            self._report(ServerConnected(_server(server_id, wanted[server_id])))
        if wanted.keys() != self._processes.keys():
            self._changed.set()
        self._processes = wanted

    async def run(self) -> None:
        """Read at each change, until cancelled."""
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                try:
                    await self._read_and_watch()
                except Exception:
                    if not self._has_failed:
                        log.exception("cannot follow the sessions of local files; trying again")
                    self._has_failed = True
                    await asyncio.sleep(MAX_INTERVAL)
                    self._changed.set()
                else:
                    self._has_failed = False
        finally:
            self._watch.stop()
            asyncio.get_running_loop().run_in_executor(None, self._reader.keep, ())  # a reading may still be running
            if self._timer is not None:
                self._timer.cancel()

    async def _read_and_watch(self) -> None:
        self._watch.pause()
        cpu_time = await self._read()
        await asyncio.sleep(min(max(MIN_INTERVAL, cpu_time / CPU_SHARE), MAX_INTERVAL))
        self._watch.watch(folders_to_watch(self._processes.values()))
        if file_stamps(self._processes.values()) != self._stamps:
            self._changed.set()  # the files changed while they were not watched

    def reread(self) -> None:
        """Read again: after sleep, or after the clock was set."""
        self._changed.set()

    # ------------------------------------------------------------------ reading

    async def _read(self) -> float:
        """Read all processes and report what has changed; return the CPU time of the reading in s."""
        ended = dict(self._ended)
        processes = {**ended, **self._processes}
        self._stamps = file_stamps(self._processes.values())
        reading = await asyncio.to_thread(self._reader.read, list(processes.values()))
        for server_id in ended:
            self._ended.pop(server_id, None)
        times = []
        if reading.was_locked:
            times.append(self._now() + int(self._retry.next_delay() * 1000))
        else:
            self._retry.reset()
        for server_id, process in processes.items():
            sessions = reading.sessions.get(process.pid)
            is_followed = process in (self._processes.get(server_id), ended.get(server_id))
            if sessions is not None and is_followed:
                self._report_snapshot(_snapshot(server_id, sessions))
                self._report_steps(server_id, sessions)
                if server_id not in ended:
                    times += [session.recheck_at for session in sessions if session.recheck_at]
        for server_id in ended.keys() - self._processes.keys():
            runs_once = ended[server_id].command == "run"
            self._steps.pop(server_id, None)
            self._report(process_end(server_id, self._snapshots.pop(server_id, None), runs_once=runs_once))
        self._reader.keep({process.data for process in (*self._processes.values(), *self._ended.values())})
        self._recheck_at(times)
        return reading.cpu_time

    def _report_snapshot(self, snapshot: SnapshotTaken) -> None:
        if self._snapshots.get(snapshot.server_id) != snapshot:
            self._snapshots[snapshot.server_id] = snapshot
            self._report(snapshot)

    def _report_steps(self, server_id: str, sessions: Collection[Inferred]) -> None:
        before = self._steps.get(server_id, {})
        self._steps[server_id] = {session.facts.id: session.steps for session in sessions}
        for session_id, steps in self._steps[server_id].items():
            known = before.get(session_id, ())
            new = tuple(step for step in steps if step not in known)
            if new:
                self._report(StepsReported(server_id, session_id, new))

    def _recheck_at(self, times: Collection[int]) -> None:
        """Read again at the earliest of these times (ms since the Unix epoch)."""
        if self._timer is not None:
            self._timer.cancel()
        if times:
            delay = max(MIN_RECHECK, (min(times) - self._now()) / 1000)
            self._timer = asyncio.get_running_loop().call_later(delay, self._changed.set)


def _server_id(process: OpenCodeProcess) -> str:
    return f"local:{process.pid}:{int(process.started)}"


def _server(server_id: str, process: OpenCodeProcess) -> Server:
    runs_once = process.command == "run"
    return process_server(server_id, process.pid, process.directory, AgentKind.OPENCODE, runs_once=runs_once)


def _snapshot(server_id: str, sessions: Collection[Inferred]) -> SnapshotTaken:
    return SnapshotTaken(
        server_id,
        sessions=tuple(session.facts for session in sessions),
        activities={session.facts.id: (session.activity, None) for session in sessions},
        permissions=tuple(session.permission for session in sessions if session.permission is not None),
        questions=tuple(session.question for session in sessions if session.question is not None),
        todos={session.facts.id: session.todos for session in sessions},
    )
