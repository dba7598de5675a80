"""Notifications on macOS: who may show them, who is asked, and on which thread a click arrives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from desktop_notifier.backends.dummy import DummyNotificationCenter

from tray.core.alerts import Reason
from tray.surfaces import notification_sender
from tray.surfaces.notification_sender import NO_CENTER, NotificationHandlers, NotificationSender
from tray.surfaces.toasts import Toast, as_shown_by
from tray.system.notification_daemon import APPLESCRIPT, NotificationDaemon
from waiting import run

TOAST = Toast("Permission", "ls", reason=Reason.PERMISSION)


class Notifier:
    """desktop_notifier.DesktopNotifier, as far as it is used on macOS."""

    def __init__(self, backend: object = None, *, allowed: bool = True) -> None:
        self._backend = backend
        self.allowed = allowed
        self.asked = 0
        self.sent: list[Any] = []

    async def request_authorisation(self) -> bool:
        self.asked += 1
        return self.allowed

    async def has_authorisation(self) -> bool:
        return self.allowed

    async def send_notification(self, notification: Any) -> None:
        self.sent.append(notification)
        notification.on_dispatched()


def sender(notifier: Notifier, clicked: Callable[[str], None] = lambda _: None) -> NotificationSender:
    handlers = NotificationHandlers(clicked, lambda *_: None, lambda *_: None, lambda _: None, lambda: None)

    def connect(**_: object) -> Any:
        return notifier

    return NotificationSender("OpenCode Tray", None, handlers, connect, "darwin")


async def send(on: NotificationSender) -> bool:
    return await on.send(TOAST, "1", lambda: None)


def test_a_python_outside_of_an_app_shows_nothing_and_says_so() -> None:
    async def test() -> None:
        on = sender(Notifier(type(NO_CENTER, (), {})()))
        assert not await send(on)
        assert "signed app" in on.problem

    run(test())


def test_the_back_end_that_shows_nothing_has_this_name() -> None:
    assert DummyNotificationCenter.__name__ == NO_CENTER


def test_the_user_is_asked_once_and_a_refusal_is_reported() -> None:
    async def test() -> None:
        notifier = Notifier(allowed=False)
        on = sender(notifier)
        assert [await send(on) for _ in range(3)] == [False] * 3
        await asyncio.sleep(0)  # the question is asked beside the notification
        assert (notifier.asked, "System Settings" in on.problem) == (1, True)
        notifier.allowed = True
        assert await send(on)
        assert (notifier.asked, len(notifier.sent)) == (1, 1)

    run(test())


def test_a_question_that_is_not_answered_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notification_sender, "SEND_TIMEOUT", 0.05)

    class Undecided(Notifier):
        async def request_authorisation(self) -> bool:
            await asyncio.Event().wait()
            return False

        has_authorisation = request_authorisation

    async def test() -> None:
        on = sender(Undecided())
        assert [await send(on) for _ in range(2)] == [False, False]
        await on.close()

    run(test())


def test_a_click_on_another_thread_is_handled_on_the_loop() -> None:
    async def test() -> None:
        notifier: Any = Notifier()
        clicks: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
        on = sender(notifier, lambda name: clicks.put_nowait((name, threading.get_ident())))
        assert await send(on)
        threading.Thread(target=notifier.on_clicked, args=("1",)).start()
        assert await asyncio.wait_for(clicks.get(), 5) == ("1", threading.get_ident())

    run(test())


def test_the_notifications_of_applescript_say_how_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert not NotificationDaemon(APPLESCRIPT).shows_buttons
    assert NotificationDaemon("darwin").shows_buttons
    assert as_shown_by(NotificationDaemon(APPLESCRIPT), TOAST).body == "ls"
