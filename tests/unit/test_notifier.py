"""The notifier checks the focus, and shows what is due even if the check fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Coroutine
from typing import Any

import pytest

from replay import SERVER
from running_app import FakeNotifications
from tray.core.events import RequestAsked, ServerConnected, SessionFacts, SessionReported, SnapshotTaken
from tray.core.fleet import Fleet
from tray.core.servers import Server
from tray.core.session_index import SessionIndex
from tray.core.sessions import Request, RequestKind
from tray.core.settings import Settings
from tray.surfaces.notifier import IsLookedAt, Notifier
from waiting import run, until_async


class NotifierSetup:
    """A notifier and what it has shown. Its session has a subagent session."""

    def __init__(self, is_looked_at: IsLookedAt, *, notify: bool = True) -> None:
        self.notifications = FakeNotifications()
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.tasks: set[asyncio.Task[Any]] = set()
        notifications: Any = self.notifications if notify else None
        self.notifier = Notifier(
            self.fleet, self.index, notifications, lambda: Settings({}, {}), is_looked_at, self._spawn, self._now
        )
        names = SessionFacts("a", title="Work"), SessionFacts("b", parent="a", title="Part of it")
        for event in (ServerConnected(SERVER), SnapshotTaken(SERVER.id, sessions=names)):
            self.index.update(self.fleet.apply(event, self._now()))

    def ask(self) -> None:
        """Add a permission request whose notification is due."""
        request = Request("p", "a", RequestKind.PERMISSION, "bash", "ls", asked_at=1)
        changes = self.fleet.apply(RequestAsked(SERVER.id, request), self._now())
        self.notifier.update(self.index.update(changes))

    def poke(self, title: str) -> None:
        changes = self.fleet.apply(SessionReported(SERVER.id, SessionFacts("a", title=title)), self._now())
        self.notifier.update(self.index.update(changes))

    def _spawn(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    @staticmethod
    def _now() -> int:
        return time.time_ns() // 1_000_000


def test_a_notification_waits_while_the_user_looks_at_the_session() -> None:
    looking = [True]
    asked: list[tuple[Server, list[str]]] = []

    async def is_looked_at(server: Server, titles: Collection[str]) -> bool:
        asked.append((server, sorted(titles)))
        return looking[0]

    async def test() -> None:
        setup = NotifierSetup(is_looked_at)
        setup.ask()
        await until_async(lambda: asked and not setup.tasks)
        setup.poke("Work")
        assert setup.notifications.shown == []
        assert asked == [(setup.fleet.servers[SERVER.id], ["Part of it", "Work"])]
        looking[0] = False
        await until_async(lambda: setup.notifications.shown)
        assert len(asked) == 2
        setup.notifier.close()

    run(test())


def test_a_focus_check_that_hangs_does_not_hold_a_notification_back() -> None:
    async def is_looked_at(server: Server, titles: Collection[str]) -> bool:
        await asyncio.Event().wait()
        return True

    async def test() -> None:
        setup = NotifierSetup(is_looked_at)
        setup.ask()
        await until_async(lambda: setup.notifications.shown)

    run(test())


def test_a_focus_check_that_fails_is_logged_and_holds_nothing_back(caplog: pytest.LogCaptureFixture) -> None:
    async def is_looked_at(server: Server, titles: Collection[str]) -> bool:
        raise RuntimeError("the desktop is odd")

    async def test() -> None:
        setup = NotifierSetup(is_looked_at)
        setup.ask()
        await until_async(lambda: setup.notifications.shown)
        assert "the desktop is odd" in caplog.text

    run(test())


def test_without_notifications_the_focus_is_not_checked() -> None:
    asked: list[str] = []

    async def is_looked_at(server: Server, titles: Collection[str]) -> bool:
        asked.append(server.id)
        return True

    async def test() -> None:
        setup = NotifierSetup(is_looked_at, notify=False)
        setup.ask()
        await until_async(lambda: not setup.tasks)
        assert asked == []

    run(test())
