"""Follow the sessions of an agent, as the tray does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tray.core.alerts import AlertRules, Alerts, Notify, WhenLooking
from tray.core.events import Event, ServerConnected, StepsReported
from tray.core.fleet import Fleet
from tray.core.messages import Message, Tokens
from tray.core.session_index import SessionIndex, SessionRow
from tray.core.sessions import Status
from tray.sources.agents.agent_context import AgentContext
from tray.sources.agents.agent_sources import AgentSource
from waiting import until_async as until


def now() -> int:
    """Return milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


class AgentWatch:
    """The sessions that a source reports."""

    def __init__(self) -> None:
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.steps: dict[str, Message] = {}  # by id
        self.is_enabled = True
        self.rejected_pid = -1  # whose events raise an error
        self.announced: list[str] = []  # the reasons of notifications, and "withdrawn"
        self._alerts = Alerts(AlertRules(finished_after=0, when_looking=WhenLooking.SHOW))

    def take(self, event: Event) -> None:
        if isinstance(event, ServerConnected) and event.server.pid == self.rejected_pid:
            raise RuntimeError("rejected")
        if isinstance(event, StepsReported):
            self.steps |= {step.id: step for step in event.messages}
        self.announce()
        self.announce(self.index.update(self.fleet.apply(event, now())))

    @property
    def tokens_of_steps(self) -> Tokens:
        return sum((step.tokens for step in self.steps.values()), Tokens())

    def announce(self, session_ids: Iterable[str] = ()) -> list[str]:
        """Update `announced` for these sessions, and for notifications that are due."""
        for effect in self._alerts.update(session_ids, self.index, now(), silent=False):
            self.announced.append(effect.alert.reason.value if isinstance(effect, Notify) else "withdrawn")
        return self.announced

    def context(self, **environment: str) -> AgentContext:
        """Return what a source is given. Its home folder is the working directory."""
        return AgentContext(self.take, now, environment, Path(), lambda: self.is_enabled)

    def row(self, session: str = "ses") -> SessionRow:
        row = self.index.row(session)
        assert row is not None
        return row

    async def shows(self, status: Status | None, session: str = "ses") -> None:
        def seen() -> Status | None:
            row = self.index.row(session)
            return row.status if row is not None else None

        await until(lambda: seen() is status, f"{status}; it is {seen()}", 10)


class OnlySession:
    """The only session of a watch, whatever its id is."""

    def __init__(self, watch: AgentWatch) -> None:
        self._watch = watch

    def row(self) -> SessionRow | None:
        return next(iter(self._watch.index.rows()), None)

    def count(self) -> int:
        """Return the number of sessions that are shown."""
        return self._watch.index.total

    def requests(self) -> list[tuple[str, str]]:
        """Return title and detail of each request."""
        row = self.row()
        return [(request.title, request.detail) for request in row.requests] if row is not None else []

    async def shows(self, status: Status | None, deadline: float = 20) -> SessionRow:
        def seen() -> Status | None:
            row = self.row()
            return row.status if row is not None else None

        await until(lambda: seen() is status, f"{status}; it is {seen()}", deadline)
        return self.row()  # type: ignore[return-value]


@asynccontextmanager
async def running(source: AgentSource) -> AsyncIterator[None]:
    """Run a source."""
    task = asyncio.create_task(source.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
