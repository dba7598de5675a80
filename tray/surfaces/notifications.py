"""Desktop notifications: at most one per session, shown and withdrawn in order, also while daemons restart."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from desktop_notifier import Button, DesktopNotifier, Icon, Notification, ReplyField, Urgency
from msgspec.structs import replace

from tray.core.alerts import Alert
from tray.core.commands import AnswerCommand, Command
from tray.surfaces.toast_guard import ToastGuard
from tray.surfaces.toasts import Toast, as_shown_by, toast_of
from tray.system import notification_daemon, resources
from tray.system.notification_daemon import NotificationDaemon

log = logging.getLogger(__name__)

SEND_TIMEOUT = 5.0  # s; without it, a stopped daemon would block all later notifications
NEVER_EXPIRES = 0  # Desktop Notifications Specification: 0 is never, -1 is the daemon's default
TEXT_KEY = None  # the key of the notification that belongs to no session

Key = str | None  # a session ID, or TEXT_KEY


class _Live(msgspec.Struct, frozen=True):
    """A notification on the screen."""

    identifier: str  # ours, for desktop-notifier
    toast: Toast  # as requested
    shown: Toast  # as this daemon shows it


class Notifications:
    """Sends notifications in order. `on_command` is called on the loop with the command of a click."""

    def __init__(
        self,
        app_name: str,
        icon: Path | None,
        on_command: Callable[[Command], None],
        *,
        on_not_shown: Callable[[str, str], object] | None = None,
        connect: Callable[..., DesktopNotifier] = DesktopNotifier,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_not_shown` receives title and body of notifications that could not be shown.

        `connect` creates the DesktopNotifier. `clock` returns seconds and is monotonic.
        """
        self._app_name = app_name
        self._icon = Icon(path=icon) if icon is not None else None
        self._on_command = on_command
        self._on_not_shown = on_not_shown
        self._connect = connect
        self._guard = ToastGuard(clock)
        self._daemons = notification_daemon.DaemonMonitor(self._owner_changed)
        self._owner = ""  # bus name of the process that shows the live notifications
        self._new_owner: str | None = None  # bus name of the process that replaced it, until that is handled
        self._notifier: DesktopNotifier | None = None
        self._closed_bus: Any = None  # the connection on which we listen for NotificationClosed
        self._live: dict[Key, _Live] = {}
        self._persistent: dict[Key, Toast] = {}  # to show again on another daemon, until answered
        self._queue: dict[Key, Toast | None] = {}  # to do, oldest first; None: withdraw
        self._wake = asyncio.Event()
        self._ending = False
        self._warned = False

    def show(self, alert: Alert) -> None:
        """Show the alert; it replaces the notification of its session."""
        self._enqueue(alert.session.session, toast_of(alert))

    def show_text(self, title: str, body: str) -> None:
        """Show a text, such as the result of a command; it replaces the previous text."""
        self._enqueue(TEXT_KEY, Toast(title, body))

    @property
    def count(self) -> int:
        """The number of notifications on the screen."""
        return len(self._live)

    def withdraw(self, session_id: str) -> None:
        """Close the notification of a session, if there is one."""
        self._enqueue(session_id, None)

    def end(self) -> None:
        """Send nothing more, close all notifications, and let `run` return."""
        self._ending = True
        self._queue.clear()
        self._wake.set()

    async def run(self) -> None:
        """Work through the queue until `end`.

        If cancelled, notifications stay on the screen: the one that is being sent has no id yet to close it by.
        """
        try:
            while not self._ending:
                await self._wake.wait()
                self._wake.clear()
                await self._try(self._follow_daemon())
                while self._queue:
                    key = next(iter(self._queue))
                    await self._try(self._process(key, self._queue.pop(key)))
            for key in list(self._live):
                await self._clear(key)
        finally:
            await self._close_notifier()
            await self._daemons.close()

    def _enqueue(self, key: Key, toast: Toast | None) -> None:
        if self._ending:
            return
        self._queue.pop(key, None)  # only the newest counts, so that the queue holds one entry per session at most
        self._queue[key] = toast
        self._wake.set()

    async def _try(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:  # a failing notification must not stop the queue
            log.exception("a notification failed")

    async def _process(self, key: Key, toast: Toast | None) -> None:
        self._persistent.pop(key, None)  # first, so that a new daemon gets the new toast only
        if not self._connected:
            await self._forget_daemon()
        await self._follow_daemon()
        await self._clear(key)
        if toast is not None:
            await self._show(key, toast)

    async def _show(self, key: Key, toast: Toast) -> None:
        daemon = await self._find_daemon()
        if toast.persistent:
            self._persistent[key] = toast
        shown = as_shown_by(daemon or NotificationDaemon(""), toast)
        if daemon is None:
            self._report_not_shown(shown, "no notification daemon is running; notifications are not shown")
            return
        if daemon.reads_markup:
            shown = replace(shown, body=escape(shown.body, quote=False))
        for _ in range(2):  # the second attempt uses a new connection, as the bus may have been restarted
            if await self._send(key, toast, shown):
                self._warned = False
                return
            await self._close_notifier()
        if not await notification_daemon.show_with_applescript(shown.title, shown.body):
            self._report_not_shown(shown, "the notification daemon does not accept notifications")

    async def _send(self, key: Key, toast: Toast, shown: Toast) -> bool:
        notifier = self._open_notifier()
        if notifier is None or (sys.platform == "darwin" and not await notifier.has_authorisation()):
            return False
        live = _Live(str(uuid4()), toast, shown)
        dispatched = asyncio.Event()

        def on_dispatched() -> None:
            dispatched.set()
            self._live[key] = live
            self._guard.appeared()

        notification = Notification(
            shown.title,
            shown.body,
            urgency=Urgency.Critical if shown.urgent else Urgency.Normal,
            icon=_state_icon(shown),
            timeout=NEVER_EXPIRES if shown.persistent else -1,
            on_dispatched=on_dispatched,
            buttons=tuple(Button(button.label, identifier=str(index)) for index, button in enumerate(shown.buttons)),
            reply_field=None if shown.field is None else ReplyField(),
            identifier=live.identifier,
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(SEND_TIMEOUT):
                await notifier.send_notification(notification)
        if self._bus is not None and self._bus is not self._closed_bus:
            self._closed_bus = self._bus
            notification_daemon.on_notification_closed(self._bus, self._guard.closed)
        return dispatched.is_set()

    def _open_notifier(self) -> DesktopNotifier | None:
        """Return the DesktopNotifier; None, with a log line, if the desktop has no notification service.

        Clicks are handled by the notifier's handlers with the notification's id, not by the notification's own
        handlers: those are forgotten when the desktop puts a notification away, as Windows does after five seconds.
        """
        if self._notifier is None:
            try:
                notifier = self._connect(app_name=self._app_name, app_icon=self._icon)
            except Exception as error:  # noqa: BLE001  # no such service, not registered, forbidden: by the platform
                self._warn_once(f"notifications cannot be shown here: {error}")
                return None
            notifier.on_clicked = self._clicked
            notifier.on_button_pressed = self._button_pressed
            notifier.on_replied = self._replied
            notifier.on_dismissed = self._dismissed
            self._notifier = notifier
        return self._notifier

    # ------------------------------------------------------------------ clicks
    # A stale id, the id of another program's notification and a second click match no live notification.

    def _clicked(self, identifier: str) -> None:
        for _, live in self._pop_live(identifier):
            if live.shown.click is not None:
                self._on_command(live.shown.click)

    def _button_pressed(self, identifier: str, button: str) -> None:
        refusal = self._guard.refusal()
        for key, live in self._pop_live(identifier):
            command = live.shown.buttons[int(button)].command
            if refusal is None or not isinstance(command, AnswerCommand):
                self._on_command(command)
            elif key not in self._queue:
                self._enqueue(key, replace(live.toast, note=refusal))

    def _replied(self, identifier: str, text: str) -> None:
        for _, live in self._pop_live(identifier):
            if live.shown.field is not None:  # no guard: text is typed into the right notification, even if it moves
                self._on_command(live.shown.field(text))

    def _dismissed(self, identifier: str) -> None:
        self._pop_live(identifier)

    def _pop_live(self, identifier: str) -> list[tuple[Key, _Live]]:
        """Remove and return the live notification with this id, if any; the desktop closes it on a click."""
        found = [(key, live) for key, live in self._live.items() if live.identifier == identifier]
        for key, _ in found:
            del self._live[key]
            self._persistent.pop(key, None)
            self._guard.closed()
        return found

    async def _clear(self, key: Key) -> None:
        live = self._live.pop(key, None)
        if live is None or self._notifier is None or self._new_owner not in (None, self._owner):
            return  # for another daemon, its number may be another program's notification
        self._guard.closed()
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._notifier.clear(live.identifier)
        except KeyError:
            pass  # closed by the user already
        except Exception as error:  # noqa: BLE001  # the daemon has ended, and its notifications with it
            log.debug("a notification could not be withdrawn: %s", error)
            await self._close_notifier()

    # ------------------------------------------------------------------ the daemon

    @property
    def _bus(self) -> Any:
        """desktop-notifier's D-Bus connection, which it neither exposes nor closes; None if there is none."""
        return getattr(getattr(self._notifier, "_backend", None), "bus", None)

    @property
    def _connected(self) -> bool:
        return self._bus is None or self._bus.connected

    def _owner_changed(self, owner: str) -> None:
        self._new_owner = owner
        if owner:
            self._wake.set()

    async def _follow_daemon(self) -> None:
        """If another daemon has started, show the persistent notifications on it. Does not start a daemon."""
        owner, self._new_owner = self._new_owner, None
        if owner in (None, self._owner):
            return
        await self._forget_daemon()
        if owner:
            await self._find_daemon()

    async def _find_daemon(self) -> NotificationDaemon | None:
        daemon = await self._daemons.find()
        if daemon is not None and daemon.owner != self._owner:
            await self._forget_daemon()
            self._owner = daemon.owner
            for key, toast in self._persistent.items():
                self._queue.setdefault(key, toast)
        return daemon

    async def _forget_daemon(self) -> None:
        """Forget an ended daemon, its notifications, and the notifier, which has cached its capabilities."""
        await self._close_notifier()
        self._live.clear()
        self._owner = ""

    async def _close_notifier(self) -> None:
        """Close the connection; the next notification opens a new one."""
        bus, self._notifier = self._bus, None
        if bus is not None:
            await notification_daemon.disconnect(bus)

    def _report_not_shown(self, toast: Toast, problem: str) -> None:
        self._warn_once(problem)
        if self._on_not_shown is not None:
            self._on_not_shown(toast.title, toast.body)

    def _warn_once(self, problem: str) -> None:
        if not self._warned:
            log.warning(problem)
        self._warned = True


def _state_icon(toast: Toast) -> Icon | None:
    """Return the icon for the notification's reason; None for the application's icon."""
    path = resources.toast_image(toast.reason.value) if toast.reason is not None else None
    return Icon(path=path) if path is not None else None
