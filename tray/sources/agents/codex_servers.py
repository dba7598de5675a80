"""The threads of one Codex process, reported as sessions of one server for each directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tray.agents.codex.inference import ThreadState, newly_aborted, snapshot
from tray.agents.transcripts import ABORTED
from tray.core.events import (
    ServerConnected,
    ServerForgotten,
    SessionFailed,
    SnapshotTaken,
    SourceEvent,
    StepsReported,
    TurnsReported,
)
from tray.core.servers import AgentKind, Server, Source
from tray.core.sessions import Failure
from tray.sources.process_server import process_end, process_server


class ThreadServers:
    """Reports what differs from the last report."""

    def __init__(
        self, process: str, pid: int, source: Source, report: Callable[[SourceEvent], None], *, runs_once: bool = False
    ) -> None:
        """`process` is the beginning of the servers' ids, which no later process has."""
        self._process = process
        self._pid = pid
        self._source = source
        self._report = report
        self._runs_once = runs_once
        self._snapshots: dict[str, SnapshotTaken] = {}  # by server id
        self._changed: set[str] = set()  # ids of servers with events after their last snapshot
        self.version = ""

    def server_id(self, directory: str) -> str:
        """Return the id of the server for a directory."""
        return f"{self._process}:{directory}"

    def shows(self, server_id: str) -> bool:
        """Whether a server has been reported."""
        return server_id in self._snapshots

    def report(self, thread_id: str, directory: str, event_of: Callable[[str], SourceEvent]) -> None:
        """Report an event of a thread before its next snapshot, unless that is its first; its parent is not known.

        `event_of` returns the event for the id of the server.
        """
        server_id = self.server_id(directory)
        known = self._snapshots.get(server_id)
        if known is not None and any(facts.id == thread_id for facts in known.sessions or ()):
            self._changed.add(server_id)
            self._report(event_of(server_id))

    def update(self, threads: Sequence[ThreadState]) -> None:
        """Report the state of all threads."""
        by_directory: dict[str, list[ThreadState]] = {}
        for thread in threads:
            by_directory.setdefault(thread.directory, []).append(thread)
        for server_id in self._snapshots.keys() - {self.server_id(directory) for directory in by_directory}:
            del self._snapshots[server_id]
            self._report(ServerForgotten(server_id))
        for directory, members in by_directory.items():
            self._update_server(self.server_id(directory), directory, members)
            for thread in members:
                self._report_history(self.server_id(directory), thread)

    def end(self) -> None:
        """Report that the process ended."""
        for server_id, last in self._snapshots.items():
            self._report(process_end(server_id, last, runs_once=self._runs_once))
        self._snapshots.clear()

    def forget(self) -> None:
        """Stop showing the servers."""
        for server_id in self._snapshots:
            self._report(ServerForgotten(server_id))
        self._snapshots.clear()

    def _update_server(self, server_id: str, directory: str, threads: Sequence[ThreadState]) -> None:
        current = snapshot(server_id, threads)
        if server_id not in self._snapshots:
            self._report(ServerConnected(self._server(server_id, directory)))
        before = self._snapshots.get(server_id)
        if before != current or server_id in self._changed:
            self._changed.discard(server_id)
            self._snapshots[server_id] = current
            self._report(current)
            for thread_id in newly_aborted(before, current):
                self._report(SessionFailed(server_id, thread_id, Failure(ABORTED)))

    def _report_history(self, server_id: str, thread: ThreadState) -> None:
        """Report new responses and turns. Providers other than OpenAI may use the same ids in all threads."""
        steps = thread.rollout.steps.take(f"{thread.id}/")
        if steps:
            self._report(StepsReported(server_id, thread.id, steps))
        if turns := thread.rollout.turns.take():
            self._report(TurnsReported(server_id, thread.id, turns))

    def _server(self, server_id: str, directory: str) -> Server:
        return process_server(
            server_id,
            self._pid,
            directory,
            AgentKind.CODEX,
            version=self.version,
            runs_once=self._runs_once,
            source=self._source,
        )
