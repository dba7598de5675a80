"""Follow the sessions of Claude Code in a folder, and answer them, as the tray does."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent_watch import AgentWatch, now, running
from tray.actions.reply import Replies
from tray.core.answers import Answer, RequestKey
from tray.core.commands import CommandResult, Surface
from tray.core.events import Event
from tray.core.session_index import SessionRow
from tray.sources.agents.claude import ClaudeSessions
from tray.sources.agents.hook_server import HookCall, HookServer


class Watch(AgentWatch):
    """The sessions, the hook socket, and the answers that were sent."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.claude = ClaudeSessions(self.context(CLAUDE_CONFIG_DIR=str(folder)))
        self.socket = folder / "hooks" / "socket"
        self.hooks = HookServer(self.socket, {"/hook/claude": self._on_hook})
        self.hook_times: dict[str, float] = {}  # how long the longest hook of each event was held, in s
        self.audit: list[Mapping[str, Any]] = []
        self._replies = Replies(self.fleet, self.take, self.claude.call, self._record, now)

    async def _record(self, entry: Mapping[str, Any]) -> None:
        self.audit.append(entry)

    def take(self, event: Event) -> None:
        super().take(event)
        self._replies.on_event(event)

    async def _on_hook(self, call: HookCall) -> bytes:
        begun, event = time.monotonic(), str(json.loads(call.payload)["hook_event_name"])
        try:
            return await self.claude.on_hook(call)
        finally:
            self.hook_times[event] = max(self.hook_times.get(event, 0), time.monotonic() - begun)

    async def answer(self, row: SessionRow, answer: Answer) -> CommandResult:
        """Answer the only request of a session."""
        (request,) = row.requests
        return await self._replies.send(RequestKey(row.server.id, request.id), answer, Surface.MENU, request)


@asynccontextmanager
async def following(folder: Path) -> AsyncIterator[Watch]:
    watch = Watch(folder)
    await watch.hooks.start()
    try:
        async with running(watch.claude):
            yield watch
    finally:
        await watch.hooks.stop()
