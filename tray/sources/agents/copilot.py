"""Report the sessions of Copilot CLI processes, from its own files. Nothing has to be installed.

Copilot CLI does not run a tool if one of its hooks fails, so the tray has no hooks in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from msgspec.structs import replace

from tray.agents.copilot.events import EventsFile
from tray.agents.copilot.inference import is_settling, snapshot
from tray.agents.copilot.open_sessions import SESSIONS, OpenSession, OpenSessions, configuration_folder
from tray.agents.copilot.requests import TERMINAL_ONLY
from tray.core.servers import AgentKind
from tray.core.source_calls import CallError, CallErrorKind
from tray.sources.agents.agent_context import AgentContext
from tray.sources.agents.copilot_process import RunningSession, events_of, read_events, running_sessions, server_of
from tray.sources.agents.follow_loop import FollowLoop
from tray.sources.agents.session_report import SessionReport
from tray.system.exit_watch import ProcessKey
from tray.system.folder_watch import ENTRY_CHANGES, is_folder

SETTLE_INTERVAL = 0.05  # s between two readings while the state is not final


class _Followed(msgspec.Struct):
    """A session that is followed."""

    session: OpenSession
    events: EventsFile
    shown: SessionReport

    def report_history(self, *, has_ended: bool = False) -> None:
        """Report the new responses and turns. `has_ended`: the session was closed, or its process has ended."""
        content = self.events.content
        if has_ended:
            content.turns.abandon()
        self.shown.add_steps(self.session.id, content.steps.take())
        self.shown.add_turns(self.session.id, content.turns.take())


class CopilotSessions:
    """Reads the open sessions, and their events, whenever they change. Lives on the event loop's thread."""

    def __init__(self, context: AgentContext) -> None:
        self._report = context.report
        self._now = context.now
        self._folder = configuration_folder(context.environment, context.home)
        self._open = OpenSessions(self._folder)
        self._followed: dict[str, _Followed] = {}  # by server id
        self._loop = FollowLoop(AgentKind.COPILOT.title, self, context.is_enabled, list_events=ENTRY_CHANGES)

    async def run(self) -> None:
        """Report the sessions until cancelled. An error does not end it."""
        await self._loop.run()

    def look(self) -> None:
        """Read again: the folder may have been created, or a process may have ended without a notice."""
        self._loop.look()

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> NoReturn:  # noqa: ARG002
        """Raise CallError: sessions are only observed."""
        raise CallError(TERMINAL_ONLY, CallErrorKind.READ_ONLY)

    # ------------------------------------------------------------------ sessions (see FollowLoop)

    @property
    def server_ids(self) -> Collection[str]:
        """The sessions that are followed."""
        return self._followed.keys()

    def list_folders(self) -> Collection[Path]:
        """Return the folder of all sessions, and that above, where a file is replaced when a session is resumed."""
        return [folder for folder in (self._folder, self._folder / SESSIONS) if is_folder(folder)]

    def transcript_folders(self) -> Collection[Path]:
        """Return the folders of the sessions that are followed."""
        return {followed.session.folder for followed in self._followed.values()}

    def find(self) -> Mapping[str, RunningSession]:
        """Return the open sessions of running processes by server id."""
        return running_sessions(self._open.read())

    def process(self, entry: RunningSession) -> ProcessKey:
        """Return the process that has a session open."""
        return entry.session.pid, entry.started

    async def update(self, server_id: str, entry: RunningSession, read_at: float) -> None:  # noqa: ARG002
        """Report the state of a session; while it is not final, the state before stays."""
        followed = self._followed.get(server_id)
        if followed is None:
            shown = SessionReport(self._report, server_of(entry))
            followed = self._followed[server_id] = _Followed(entry.session, events_of(entry), shown)
        followed.session = entry.session
        events = await asyncio.to_thread(read_events, followed.events)
        shown = followed.shown
        if events.version != shown.server.version:
            shown.reconnect(replace(shown.server, version=events.version))
        shown.prompt(entry.session.id, events.prompted_at)
        if shown.is_shown and is_settling(events, self._now()):
            self._loop.update_in(SETTLE_INTERVAL)
        else:
            shown.show(snapshot(server_id, entry.session, events))
        followed.report_history()

    async def end(self, server_id: str) -> None:
        """Report the last state of a session that was closed, or whose process has ended."""
        followed = self._followed.pop(server_id)
        try:
            events = await asyncio.to_thread(read_events, followed.events)
            followed.shown.show(snapshot(server_id, followed.session, events, has_ended=True))
            followed.report_history(has_ended=True)
        finally:
            followed.shown.end()

    def forget(self, server_id: str) -> None:
        """Stop following a session."""
        self._followed.pop(server_id).shown.forget()
