"""Follow the sessions of Codex in a folder, and answer them, as the tray does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tray.actions.reply import Replies
from tray.core.answers import Answer, RequestKey
from tray.core.commands import CommandResult, Surface
from tray.core.events import Event, TurnsReported
from tray.core.fleet import Fleet
from tray.core.history import TranscriptTurn
from tray.core.session_index import SessionIndex, SessionRow
from tray.core.sessions import Status
from tray.sources.agents.agent_context import AgentContext
from tray.sources.agents.codex import CodexSessions
from tray.sources.agents.hook_server import HookServer
from waiting import until_async


def now() -> int:
    """Return milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


async def _record(_: object) -> None:
    """Keep no audit log."""


class Watch:
    """The sessions that a follower reports."""

    def __init__(self, folder: Path) -> None:
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.is_enabled = True
        self.turns: list[TranscriptTurn] = []
        self.seen: list[Status] = []  # all states of all sessions, in their order
        context = AgentContext(self._take, now, {"CODEX_HOME": str(folder)}, folder, lambda: self.is_enabled)
        self.codex = CodexSessions(context)
        self._replies = Replies(self.fleet, self._take, self.codex.call, _record, now)

    def _take(self, event: Event) -> None:
        self.index.update(self.fleet.apply(event, now()))
        self._replies.on_event(event)
        self.turns += event.turns if isinstance(event, TurnsReported) else ()
        self.seen.extend(row.status for row in self.index.rows())

    async def answer(self, row: SessionRow, answer: Answer) -> CommandResult:
        """Answer the only request of a session."""
        (request,) = row.requests
        return await self._replies.send(RequestKey(row.server.id, request.id), answer, Surface.MENU, request)

    def row(self) -> SessionRow | None:
        """Return the only session."""
        rows = list(self.index.rows())
        assert len(rows) <= 1, rows
        return rows[0] if rows else None

    async def shows(self, status: Status | None, deadline: float = 20) -> SessionRow:
        """Wait for a state of the only session, and return it."""

        def seen() -> Status | None:
            row = self.row()
            return row.status if row is not None else None

        await until_async(lambda: seen() is status, f"{status}; it is {seen()}", deadline)
        return self.row()  # type: ignore[return-value]


@asynccontextmanager
async def following(folder: Path, hook_socket: Path | None = None) -> AsyncIterator[Watch]:
    """Follow the sessions in a folder; with `hook_socket`, accept hooks as well."""
    watch = Watch(folder)
    hooks = HookServer(hook_socket, {"/hook/codex": watch.codex.on_hook}) if hook_socket is not None else None
    if hooks is not None:
        await hooks.start()
    task = asyncio.create_task(watch.codex.run())
    try:
        yield watch
    finally:
        if hooks is not None:
            await hooks.stop()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
