"""Sessions that any program reports itself: `opencode-tray report`, `run-with`, or the same call on the hook socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import replace

from tray.core.errors import UserError
from tray.core.events import (
    ActivityReported,
    Digest,
    SessionFacts,
    SnapshotTaken,
)
from tray.core.lenient_json import JSON_ERRORS
from tray.core.messages import Message, Tokens
from tray.core.servers import AgentKind, Source
from tray.core.sessions import Activity, Request, RequestKind
from tray.core.source_calls import CallError, CallErrorKind
from tray.sources.agents.agent_context import AgentContext
from tray.sources.agents.hook_server import HookCall
from tray.sources.agents.session_report import SessionReport
from tray.sources.process_server import process_server
from tray.system.exit_watch import ExitWatch
from tray.system.process_start import is_running, start_of

MAX_SESSIONS = 200
TERMINAL_ONLY = "it is answered in its own terminal"

Line = Annotated[str, msgspec.Meta(max_length=200)]
Pid = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Text = Annotated[str, msgspec.Meta(max_length=2_000)]


class ReportError(UserError):
    """A report is invalid; the text says what is wrong."""


class Report(msgspec.Struct, frozen=True):
    """The state of one session. docs/agents.md describes the fields."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    status: Literal["busy", "waiting", "completed", "error"]
    title: Line = ""
    detail: Text = ""  # what it does, asks for or failed with
    directory: Text = ""
    pid: Pid = 0  # the session ends with this process
    caller: Pid = 0  # the session ends with this process, if the first report names no other
    hold: bool = False  # the session ends with the call


class _Session(msgspec.Struct):
    """A session that was reported."""

    shown: SessionReport
    report: Report
    start: str  # of its process
    turn: int = 0  # 0: nothing was shown yet
    calls: int = 0  # that hold it

    @property
    def is_working(self) -> bool:
        """Whether a turn is running."""
        return self.turn > 0 and self.report.status in ("busy", "waiting")


class ReportedSessions:
    """One server for each reported session. Lives on the event loop's thread."""

    def __init__(self, context: AgentContext) -> None:
        self._report = context.report
        self._now = context.now
        self._sessions: dict[str, _Session] = {}  # by the id of the report
        self._exits = ExitWatch(self.look)

    async def run(self) -> None:
        """Wait until cancelled: reports come by `on_report`, and ends of processes by a notice."""
        try:
            await asyncio.Event().wait()
        finally:
            self._exits.watch(())

    def look(self) -> None:
        """End the sessions whose process has ended."""
        for name, session in list(self._sessions.items()):
            if session.report.pid and not is_running(session.report.pid, session.start):
                self._end(name)
        self._exits.watch({(s.report.pid, 0.0) for s in self._sessions.values() if s.report.pid})

    async def on_report(self, call: HookCall) -> bytes:
        """Show the reported session. Raises ReportError."""
        try:
            report = msgspec.json.decode(call.payload, type=Report)
        except JSON_ERRORS as error:
            raise ReportError(f"invalid report: {error}") from error
        self._show(report)
        if report.hold:
            await self._hold(report.id)
        return b""

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ARG002
        """Raise CallError: a reported session is only shown."""
        raise CallError(TERMINAL_ONLY, CallErrorKind.READ_ONLY)

    async def _hold(self, name: str) -> None:
        self._sessions[name].calls += 1
        try:
            await asyncio.Event().wait()
        finally:
            session = self._sessions.get(name)
            if session is not None:
                session.calls -= 1
                if not session.calls:
                    self._end(name)

    def _show(self, report: Report) -> None:
        session = self._sessions.get(report.id)
        if session is None:
            session = self._connect(replace(report, pid=report.pid or report.caller))
        report = _merged(session.report, report)
        if session.turn and report == session.report:
            return
        if report.pid != session.report.pid:
            session.start = start_of(report.pid)
        if not session.is_working:
            session.turn += 1
            self._report(ActivityReported(session.shown.server.id, report.id, Activity.BUSY))  # a result ends a turn
        session.report = report
        session.shown.show(_snapshot(session, self._now()))
        if not (session.is_working or session.calls or report.pid):
            self._end(report.id)  # nothing else would
        self.look()

    def _connect(self, report: Report) -> _Session:
        if len(self._sessions) >= MAX_SESSIONS:
            raise ReportError(f"{MAX_SESSIONS} sessions are reported already")
        server_id = f"reported:{report.id}"
        server = process_server(server_id, report.pid, report.directory, AgentKind.OTHER, runs_once=True)
        shown = SessionReport(self._report, replace(server, source=Source.AGENT))
        session = self._sessions[report.id] = _Session(shown, report, start_of(report.pid))
        return session

    def _end(self, name: str) -> None:
        """Remove a session that was working; the result of one that has ended stays visible."""
        session = self._sessions.pop(name)
        if session.is_working:
            session.shown.forget()
        else:
            session.shown.end()


def _merged(before: Report, report: Report) -> Report:
    """Return the report with the fields of the one before that it leaves out."""
    return replace(
        report,
        title=report.title or before.title,
        directory=report.directory or before.directory,
        pid=report.pid or before.pid,
        caller=0,
    )


def _snapshot(session: _Session, at: int) -> SnapshotTaken:
    report = session.report
    message = Message(f"{session.turn}")
    if report.status == "completed":
        message = replace(message, finish="stop", completed=at)
    elif report.status == "error":
        message = replace(message, error="Error", error_text=report.detail or "failed", completed=at)
    request = Request(
        id=f"{report.id}-{session.turn}-{report.detail}",
        session=report.id,
        kind=RequestKind.QUESTION,
        title="waiting",
        detail=report.detail or "waits for you",
        complete=False,
        read_only_reason=TERMINAL_ONLY,
        asked_at=at,
    )
    output = report.detail if report.status in ("busy", "completed") else ""
    facts = SessionFacts(
        report.id,
        title=report.title or report.id,
        directory=report.directory,
        updated=at,
        digest=Digest(0, 0.0, Tokens(), last=message, output=output),
    )
    return SnapshotTaken(
        session.shown.server.id,
        sessions=(facts,),
        activities={report.id: (Activity.BUSY if session.is_working else Activity.IDLE, None)},
        permissions=(),
        questions=(request,) if report.status == "waiting" else (),
    )
