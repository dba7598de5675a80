"""Desktop notifications: at most one per session, shown and withdrawn in order, also while daemons restart."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from html import escape
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from desktop_notifier import DesktopNotifier
from msgspec.structs import replace

from tray.core.alerts import Alert
from tray.core.commands import AnswerCommand, Command
from tray.surfaces.notification_sender import NotificationHandlers, NotificationSender
from tray.surfaces.toast_guard import ToastGuard
from tray.surfaces.toasts import Balloon, Toast, as_shown_by, toast_of
from tray.system import notification_daemon
from tray.system.notification_daemon import APPLESCRIPT, BALLOON, NotificationDaemon

log = logging.getLogger(__name__)

SILENT_RETRY = 2.0  # s until a daemon that did not answer is asked again
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
        on_problem: Callable[[str], object] | None = None,
        connect: Callable[..., DesktopNotifier] = DesktopNotifier,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_problem` receives why the platform shows no notifications, and "" once one is shown again.

        A daemon that does not run is only logged: there may be none on purpose.

        `connect` creates the DesktopNotifier. `clock` returns seconds and is monotonic.
        """
        self._on_command = on_command
        self._on_problem = on_problem
        self._guard = ToastGuard(clock)
        handlers = NotificationHandlers(
            self._clicked, self._button_pressed, self._replied, self._pop_live, self._guard.closed
        )
        self._sender = NotificationSender(app_name, icon, handlers, connect)
        self._daemons = notification_daemon.DaemonMonitor(self._owner_changed)
        self._owner = ""  # bus name of the process that shows the live notifications
        self._new_owner: str | None = None  # bus name of the process that replaced it, until that is handled
        self._live: dict[Key, _Live] = {}
        self._sent: dict[Key, _Live] = {}  # also those that the daemon has not confirmed yet
        self._unwanted: list[_Live] = []  # that were replaced or withdrawn before the daemon has confirmed them
        self._silenced: dict[Key, Toast] = {}  # to show once the daemon answers again
        self._persistent: dict[Key, Toast] = {}  # to show again on another daemon, until answered
        self._refused: dict[Key, Toast] = {}  # that the platform did not show
        self._queue: dict[Key, Toast | None] = {}  # to do, oldest first; None: withdraw
        self._wake = asyncio.Event()
        self._ending = False
        self._problem = ""
        self._show_balloon: Callable[[Balloon | None], None] | None = None
        self._in_balloon: tuple[Key, ...] = ()  # the key of the balloon's notification

    def show_balloons_on(self, show: Callable[[Balloon | None], None]) -> None:
        """Show on the icon what the platform does not show, also what it has refused before.

        `show` replaces the balloon of the icon; None removes it.
        """
        self._show_balloon = show
        for key, toast in self._refused.items():
            self._queue.setdefault(key, toast)
        self._wake.set()

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
                await self._try(self._withdraw_unwanted())
                while self._queue:
                    key = next(iter(self._queue))
                    await self._try(self._process(key, self._queue.pop(key)))
            for key in list(self._live):
                await self._clear(key)
        finally:
            await self._sender.close()
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
        self._refused.pop(key, None)
        self._silenced.pop(key, None)
        self._persistent.pop(key, None)  # first, so that a new daemon gets the new toast only
        if self._sender.is_disconnected:
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
            if self._daemons.is_silent:
                self._show_later(key, toast)
            self._set_problem("no notification daemon is running; notifications are not shown", is_reported=False)
            return
        if daemon.reads_markup:
            shown = replace(shown, body=escape(shown.body, quote=False))
        live = _Live(str(uuid4()), toast, shown)

        def on_dispatched() -> None:
            if self._sent.get(key) is live:
                self._live[key] = live
                self._guard.appeared()
            else:
                self._unwanted.append(live)
                self._wake.set()

        self._sent[key] = live
        if await self._sender.send(shown, live.identifier, on_dispatched):
            self._set_problem("")
            return
        if await self._show_without_buttons(key, toast):
            self._set_problem("")
        else:
            self._refused[key] = toast
            self._set_problem(self._sender.problem)

    def _show_later(self, key: Key, toast: Toast) -> None:
        """Try again after a while: the daemon has been stopped, or the bus."""
        self._silenced[key] = toast
        asyncio.get_running_loop().call_later(SILENT_RETRY, self._show_silenced)

    def _show_silenced(self) -> None:
        for key, toast in self._silenced.items() if not self._ending else ():
            self._queue.setdefault(key, toast)
        self._wake.set()

    async def _withdraw_unwanted(self) -> None:
        while self._unwanted:
            await self._sender.withdraw(self._unwanted.pop().identifier)

    async def _show_without_buttons(self, key: Key, toast: Toast) -> bool:
        """Show the notification in the way that the platform has beside its notifications; False if it has none."""
        plain = as_shown_by(NotificationDaemon(APPLESCRIPT if self._show_balloon is None else BALLOON), toast)
        if self._show_balloon is None:
            return await notification_daemon.show_with_applescript(plain.title, plain.body)
        self._show_balloon(Balloon(plain.title, plain.body, plain.click))
        self._in_balloon = (key,)
        return True

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

    def _pop_live(self, identifier: str) -> list[tuple[Key, _Live]]:
        """Remove and return the live notification with this id, if any; the desktop closes it on a click."""
        found = [(key, live) for key, live in self._live.items() if live.identifier == identifier]
        for key, _ in found:
            del self._live[key]
            self._sent.pop(key, None)
            self._persistent.pop(key, None)
            self._guard.closed()
        return found

    async def _clear(self, key: Key) -> None:
        if key in self._in_balloon and self._show_balloon is not None:
            self._in_balloon = ()
            self._show_balloon(None)
        self._sent.pop(key, None)
        live = self._live.pop(key, None)
        if live is None or self._new_owner not in (None, self._owner):
            return  # for another daemon, its number may be another program's notification
        self._guard.closed()
        await self._sender.withdraw(live.identifier)

    # ------------------------------------------------------------------ the daemon

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
        """Forget an ended daemon, its notifications, and the sender's connection, which has cached its capabilities."""
        await self._sender.close()
        self._live.clear()
        self._sent.clear()
        self._owner = ""

    def _set_problem(self, problem: str, *, is_reported: bool = True) -> None:
        if problem and not self._problem:
            log.warning("%s", problem)
        if problem != self._problem and is_reported and self._on_problem is not None:
            self._on_problem(problem)
        self._problem = problem
