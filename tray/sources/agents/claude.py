"""Report the sessions of Claude Code processes, from its registry and its transcripts, and answer its hooks.

Nothing has to be installed to see the sessions; with the hooks installed, their requests can be answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tray.agents.claude.hooks import PERMISSION_REQUEST, decode_hook, output_of
from tray.agents.claude.inference import is_settling
from tray.agents.claude.limits import LimitsFile, state_file
from tray.agents.claude.registry import RegistryEntry, configuration_folder
from tray.agents.claude.requests import TERMINAL_ONLY
from tray.agents.claude.settings import HOOK_FILE, HookSettings
from tray.core.plan_limits import PlanLimit
from tray.core.servers import AgentKind, Source
from tray.core.source_calls import CallError, CallErrorKind
from tray.sources.agents.agent_context import AgentContext
from tray.sources.agents.claude_process import (
    FollowedProcess,
    files_of,
    read_to_end,
    running_entries,
    runs_once,
    server_id_of,
    server_of,
    snapshot_of,
)
from tray.sources.agents.follow_loop import FollowLoop
from tray.sources.agents.held_hooks import HeldHooks
from tray.sources.agents.hook_server import HookCall
from tray.sources.agents.session_report import SessionReport
from tray.system.exit_watch import ProcessKey
from tray.system.folder_watch import is_folder

TRANSCRIPT_DELAY = 1.0  # s before a changed transcript is read: it contains only details
QUEUE_DELAY = 0.1  # s instead, while dialogs wait one behind another: only the transcript tells that one was answered
SETTLE_INTERVAL = 0.05  # s between two readings while the state is not final


class ClaudeSessions:
    """Reads the registry whenever it changes, and the transcripts a little later. Lives on the event loop's thread."""

    def __init__(self, context: AgentContext) -> None:
        self._report = context.report
        self._now = context.now
        self._folder = configuration_folder(context.environment, context.home)
        self._settings = HookSettings(self._folder / HOOK_FILE.name)
        self._limits_file = LimitsFile(state_file(context.environment, context.home))
        self._limits: tuple[PlanLimit, ...] = ()  # of the user's plan
        self._can_answer = False  # whether the hooks are installed
        self._followed: dict[str, FollowedProcess] = {}  # by server id
        self._loop = FollowLoop(AgentKind.CLAUDE.title, self, context.is_enabled, transcript_delay=TRANSCRIPT_DELAY)
        self._hooks = HeldHooks(self._loop.look)

    async def run(self) -> None:
        """Report the sessions until cancelled. An error does not end it."""
        await self._loop.run()

    def look(self) -> None:
        """Read again: the registry may have been created, or a process may have ended without a notice."""
        self._loop.look()

    # ------------------------------------------------------------------ hooks and calls

    async def on_hook(self, call: HookCall) -> bytes:
        """Return the output of a hook. A request waits here for the answer of the user.

        A hook without a dialog in the terminal is not held: those of subagents and of `claude -p`.
        """
        payload = decode_hook(call.payload)
        if payload is None or payload.hook_event_name != PERMISSION_REQUEST or payload.agent_id:
            return b""
        entries = await asyncio.to_thread(running_entries, self._folder)  # the process may not be followed yet
        entry = next((entry for entry in entries if entry.pid == call.pid), None)
        return b"" if entry is None or runs_once(entry) else await self._hooks.hold(call.pid, payload)

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Answer a request (a `core.source_calls.SourceCall`). Raises CallError."""
        followed = self._followed.get(server_id)
        if followed is None:
            raise CallError("its Claude Code has ended", CallErrorKind.GONE)
        hook = followed.hook
        request = followed.request()
        if request is None:
            raise CallError("the request is no longer pending", CallErrorKind.NOT_FOUND)
        if hook is None or hook.output.done() or request.id != params.get("requestID"):
            raise CallError(TERMINAL_ONLY, CallErrorKind.READ_ONLY)
        hook.end(output_of(hook.payload, method, params))

    # ------------------------------------------------------------------ sessions (see FollowLoop)

    @property
    def server_ids(self) -> Collection[str]:
        """The processes that are followed."""
        return self._followed.keys()

    def list_folders(self) -> Collection[Path]:
        """Return the registry's folder, or Claude Code's folder as long as it has none."""
        return next(([folder] for folder in (self._folder / "sessions", self._folder) if is_folder(folder)), [])

    def transcript_folders(self) -> Collection[Path]:
        """Return the folders of the transcripts."""
        return {followed.files.path.parent for followed in self._followed.values()}

    def find(self) -> Mapping[str, RegistryEntry]:
        """Return the registry's entries of running processes by server id."""
        self._can_answer = self._settings.are_hooks_installed()
        self._limits = self._limits_file.read(self._now())
        return {server_id_of(entry): entry for entry in running_entries(self._folder)}

    def process(self, entry: RegistryEntry) -> ProcessKey:
        """Return the process of an entry."""
        return entry.pid, entry.started_at / 1000

    async def update(self, server_id: str, entry: RegistryEntry, read_at: float) -> None:
        """Report the state of a process; while it is not final, the state before stays."""
        followed = self._connect(server_id, entry)
        if (entry.session_id, entry.cwd) != (followed.entry.session_id, followed.entry.cwd):
            await self._show_last(followed)
            followed.files = files_of(self._folder, entry)  # `/clear` and `/resume` change the session
            followed.shown.restart()
        followed.entry = entry
        content = await asyncio.to_thread(followed.files.read)
        followed.shown.prompt(entry.session_id, content.prompted_at)
        followed.hook = self._hooks.confirm(entry, read_at, content)
        self._loop.transcript_delay = QUEUE_DELAY if self._hooks.has_queue else TRANSCRIPT_DELAY
        payload = followed.hook.payload if followed.hook is not None else None
        if followed.shown.is_shown and is_settling(entry, content, self._now(), payload):
            self._loop.update_in(SETTLE_INTERVAL)
        else:
            followed.shown.show(snapshot_of(followed, content, self._limits, self._now()))
        followed.report_history()

    def _connect(self, server_id: str, entry: RegistryEntry) -> FollowedProcess:
        """Return the followed process; report it if it is new, or if its requests can or cannot be answered now."""
        source = Source.AGENT if self._can_answer else Source.LOCAL
        followed = self._followed.get(server_id)
        if followed is None:
            shown = SessionReport(self._report, replace(server_of(server_id, entry), source=source))
            followed = FollowedProcess(entry, files_of(self._folder, entry), shown)
            self._followed[server_id] = followed
        elif followed.shown.server.source is not source:
            followed.shown.reconnect(replace(followed.shown.server, source=source))
        return followed

    async def end(self, server_id: str) -> None:
        """Report the last state of a process that has ended."""
        followed = self._followed.pop(server_id)
        self._hooks.end_process(followed.entry.pid)
        try:
            await self._show_last(followed)
        finally:
            followed.shown.end()

    async def _show_last(self, followed: FollowedProcess) -> None:
        content = await asyncio.to_thread(read_to_end, followed)
        followed.shown.show(snapshot_of(followed, content, self._limits, self._now(), has_ended=True))
        followed.report_history(has_ended=True)

    def forget(self, server_id: str) -> None:
        """Stop following a process."""
        followed = self._followed.pop(server_id)
        self._hooks.end_process(followed.entry.pid)
        followed.shown.forget()
