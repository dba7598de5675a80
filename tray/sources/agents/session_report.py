"""Report one session of a process, from its files."""

from __future__ import annotations

from collections.abc import Callable

from tray.core.events import (
    ActivityReported,
    RequestClosed,
    ServerConnected,
    ServerForgotten,
    SnapshotTaken,
    SourceEvent,
    StepsReported,
    TurnsReported,
)
from tray.core.history import TranscriptTurn
from tray.core.messages import Message
from tray.core.servers import Server
from tray.core.sessions import Activity, Request
from tray.sources.process_server import process_end


class SessionReport:
    """The server of a session, and the state that was reported last."""

    def __init__(self, report: Callable[[SourceEvent], None], server: Server) -> None:
        self.server = server
        self._report = report
        self._last: SnapshotTaken | None = None
        self._prompted_at = 0  # when the newest prompt was sent that has been reported, in ms since the Unix epoch
        report(ServerConnected(server))

    @property
    def is_shown(self) -> bool:
        """Whether a state was reported since it was connected."""
        return self._last is not None

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests that were reported last."""
        return (*(self._last.permissions or ()), *(self._last.questions or ())) if self._last is not None else ()

    def reconnect(self, server: Server) -> None:
        """Connect again, because the server has changed. The state stays."""
        self.server = server
        self._report(ServerConnected(server))
        if self._last is not None:
            self._report(self._last)

    def restart(self) -> None:
        """Show the next state whatever was reported before: the process has opened another session."""
        self._last = None

    def prompt(self, session_id: str, prompted_at: int) -> None:
        """Report a new prompt. The turn began in any case, also if it has ended before this reading."""
        if self.is_shown and prompted_at > self._prompted_at:
            self._report(ActivityReported(self.server.id, session_id, Activity.BUSY))
        self._prompted_at = prompted_at

    def show(self, current: SnapshotTaken) -> None:
        """Report a state if it has changed."""
        if current == self._last:
            return
        before = self.requests
        self._last = current
        pending = {request.id for request in self.requests}
        for request in before:
            if request.id not in pending:
                self._report(RequestClosed(current.server_id, request.session, request.id))
        self._report(current)

    def add_steps(self, session_id: str, steps: tuple[Message, ...]) -> None:
        """Report responses of the model."""
        if steps:
            self._report(StepsReported(self.server.id, session_id, steps))

    def add_turns(self, session_id: str, turns: tuple[TranscriptTurn, ...]) -> None:
        """Report turns that have ended."""
        if turns:
            self._report(TurnsReported(self.server.id, session_id, turns))

    def end(self) -> None:
        """Report that the session was closed, or that its process has ended."""
        self._report(process_end(self.server.id, self._last, runs_once=self.server.runs_once))

    def forget(self) -> None:
        """Report that the session is not followed any more."""
        self._report(ServerForgotten(self.server.id))
