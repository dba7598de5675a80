"""Report the sessions of an agent that is known only by its hooks: one session for each of its processes.

A transcript that the hooks name is read as well, if it tells more than the hooks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import msgspec

from tray.agents.hook import Hook, SessionEnded, SessionStarted, TurnStarted
from tray.agents.hook_session import HookSession, HookTranscript
from tray.agents.transcripts import GrowingFile
from tray.core.servers import AgentKind, Server
from tray.core.source_calls import CallError, CallErrorKind
from tray.sources.agents.agent_context import AgentContext
from tray.sources.agents.follow_loop import FollowLoop
from tray.sources.agents.hook_server import HookCall
from tray.sources.agents.session_report import SessionReport
from tray.sources.process_server import process_server, runs_with_prompt
from tray.system.exit_watch import ProcessKey
from tray.system.process_start import is_running, start_of

OpenTranscript = Callable[[Path], GrowingFile[Any]]  # its content is a HookTranscript


class _Opened(NamedTuple):
    """A session of a process, and its transcript."""

    session: HookSession
    transcript: GrowingFile[Any] | None


class _Process(msgspec.Struct):
    """A process that calls the hooks."""

    pid: int
    start: str
    directory: str
    opened: _Opened
    is_closed: bool = False  # whether the session was closed; the process may open another
    shown: SessionReport | None = None
    shown_session: str = ""  # the id of the session that was reported last


class HookSessions:
    """Follows the processes that call the hooks. Lives on the event loop's thread."""

    def __init__(
        self,
        kind: AgentKind,
        decode: Callable[[bytes], Hook | None],
        context: AgentContext,
        open_transcript: OpenTranscript | None = None,
    ) -> None:
        """`decode` returns what the payload of a hook reports; None: nothing."""
        self._kind = kind
        self._decode = decode
        self._report = context.report
        self._now = context.now
        self._is_enabled = context.is_enabled
        self._open_transcript = open_transcript
        self._read_only_reason = f"{kind.title} takes this answer only in its terminal"
        self._processes: dict[str, _Process] = {}  # by server id
        self._loop = FollowLoop(kind.title, self, context.is_enabled)

    async def run(self) -> None:
        """Report the sessions until cancelled. An error does not end it."""
        await self._loop.run()

    def look(self) -> None:
        """Look again whether the processes run: one may have ended without a notice."""
        self._loop.look()

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> NoReturn:  # noqa: ARG002
        """Raise CallError: sessions are only observed."""
        raise CallError(self._read_only_reason, CallErrorKind.READ_ONLY)

    # ------------------------------------------------------------------ hooks

    async def on_hook(self, call: HookCall) -> bytes:
        """Apply a hook, and decide nothing."""
        hook = self._decode(call.payload)
        if hook is not None and call.pid and self._is_enabled():
            process = self._process_of(call.pid, hook)
            if process is not None:
                self._apply(process, hook)
                self._loop.look()
        return b""

    def _process_of(self, pid: int, hook: Hook) -> _Process | None:
        """Return the process that called a hook; None if it is not known and closes its session, or has ended."""
        start = start_of(pid)
        server_id = f"{self._kind.value}:{pid}:{start}"
        process = self._processes.get(server_id)
        if process is None and not isinstance(hook, SessionEnded) and is_running(pid, start):
            self._drop_ended()
            process = self._processes[server_id] = _Process(pid, start, hook.directory, self._open(hook))
        return process

    def _apply(self, process: _Process, hook: Hook) -> None:
        if process.is_closed or process.opened.session.id != hook.session_id:
            if not isinstance(hook, SessionStarted | TurnStarted):
                return  # a late hook of a session that was closed
            process.opened, process.is_closed = self._open(hook), False
        process.is_closed = isinstance(hook, SessionEnded)
        process.opened.session.apply(hook, self._now())

    def _open(self, hook: Hook) -> _Opened:
        transcript = None
        if self._open_transcript is not None and hook.transcript:
            transcript = self._open_transcript(Path(hook.transcript))
        return _Opened(HookSession(hook.session_id, self._now(), self._read_only_reason), transcript)

    def _drop_ended(self) -> None:
        """Drop the processes that have ended after they closed their session."""
        for server_id, process in list(self._processes.items()):
            if process.shown is None and process.is_closed and not is_running(process.pid, process.start):
                del self._processes[server_id]

    # ------------------------------------------------------------------ sessions (see FollowLoop)

    @property
    def server_ids(self) -> Collection[str]:
        """The processes whose session is shown."""
        return [server_id for server_id, process in self._processes.items() if process.shown is not None]

    def list_folders(self) -> Collection[Path]:
        """Return an empty list: hooks report every process."""
        return ()

    def transcript_folders(self) -> Collection[Path]:
        """Return the folders of the transcripts that are read."""
        transcripts = [process.opened.transcript for process in self._processes.values() if not process.is_closed]
        return {transcript.path.parent for transcript in transcripts if transcript is not None}

    def find(self) -> Mapping[str, _Process]:
        """Return the running processes with an open session by server id."""
        return {
            server_id: process
            for server_id, process in list(self._processes.items())
            if not process.is_closed and is_running(process.pid, process.start)
        }

    def process(self, entry: _Process) -> ProcessKey:
        """Return the process of an entry."""
        return entry.pid, 0.0

    async def update(self, server_id: str, entry: _Process, read_at: float) -> None:  # noqa: ARG002
        """Report the state of a process."""
        await self._show(server_id, entry, has_ended=False)

    async def end(self, server_id: str) -> None:
        """Report the last state of a session that was closed, or whose process has ended."""
        process = self._processes[server_id]
        try:
            await self._show(server_id, process, has_ended=True)
        finally:
            if process.shown is not None:
                process.shown.end()
            process.shown, process.is_closed = None, True

    def forget(self, server_id: str) -> None:
        """Stop following a process."""
        process = self._processes.pop(server_id)
        if process.shown is not None:
            process.shown.forget()

    async def _show(self, server_id: str, process: _Process, *, has_ended: bool) -> None:
        session, transcript = process.opened
        if process.shown is None:
            process.shown = SessionReport(self._report, self._server_of(server_id, process))
        elif process.shown_session != session.id:
            process.shown.restart()
        process.shown_session = session.id
        content: HookTranscript | None = None
        if transcript is not None:
            with suppress(OSError):  # the first prompt creates it
                await asyncio.to_thread(transcript.read)
            content = transcript.content
            session.apply_transcript(transcript.content.last)
        process.shown.prompt(session.id, session.prompted_at)
        process.shown.show(session.snapshot(server_id, content, has_ended=has_ended))
        if content is not None:
            process.shown.add_steps(session.id, content.steps.take())

    def _server_of(self, server_id: str, process: _Process) -> Server:
        runs_once = runs_with_prompt(process.pid)
        return process_server(server_id, process.pid, process.directory, self._kind, runs_once=runs_once)
