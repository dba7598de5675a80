"""Native notifications: one live toast a session, shown and withdrawn in order, whatever the daemon does meanwhile."""

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

SEND_TIMEOUT = 5.0  # s; a stopped daemon would let a send wait for ever
UNTIL_WITHDRAWN = 0  # s; in the Desktop Notifications Specification 0 is never, and -1 is as the daemon likes
SAID = None  # the key of what is no session's


class _Live(msgspec.Struct, frozen=True):
    """A toast on the screen: the notifier's own id of it, what was asked for, and what is shown of that."""

    identifier: str
    toast: Toast
    shown: Toast


class Notifications:
    """A first-in-first-out lane to the desktop. `on_choice` is called on the loop with what a toast was clicked for."""

    def __init__(
        self,
        app_name: str,
        icon: Path | None,
        on_choice: Callable[[Command], None],
        *,
        on_unshown: Callable[[str, str], object] | None = None,
        connect: Callable[..., DesktopNotifier] = DesktopNotifier,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_unshown` is given title and text of what the desktop did not take. `connect` opens the way to it.

        `clock` counts seconds and never goes back.
        """
        self._app_name = app_name
        self._icon = Icon(path=icon) if icon is not None else None
        self._on_choice = on_choice
        self._on_unshown = on_unshown
        self._connect = connect
        self._guard = ToastGuard(clock)
        self._daemons = notification_daemon.DaemonMonitor(self._owner_changed)
        self._owner = ""  # the process that shows what is live, by its name on the bus
        self._next_owner: str | None = None  # who has taken its place, if that has not been seen to yet
        self._notifier: DesktopNotifier | None = None
        self._heard: Any = None  # the connection on which the daemon tells what it has closed
        self._live: dict[str | None, _Live] = {}  # by the toast's key
        self._standing: dict[str | None, Toast] = {}  # what is to be seen until it is answered, shown or not
        self._wanted: dict[str | None, Toast | None] = {}  # what is to be done, oldest first; None: withdraw
        self._wake = asyncio.Event()
        self._ending = False
        self._complained = False

    def show(self, alert: Alert) -> None:
        """Show the alert in place of whatever is shown for its session."""
        self._want(alert.session.session, toast_of(alert))

    def say(self, title: str, body: str) -> None:
        """Say what was done; in place of whatever was said before."""
        self._want(SAID, Toast(title, body))

    @property
    def count(self) -> int:
        """How many are shown."""
        return len(self._live)

    def withdraw(self, session_id: str) -> None:
        """Take the session's toast away, if there is one."""
        self._want(session_id, None)

    def end(self) -> None:
        """Send nothing more and take everything away that is still shown; then `run` returns."""
        self._ending = True
        self._wanted.clear()
        self._wake.set()

    async def run(self) -> None:
        """Work the lane off until `end`. Cancelled, it leaves what is shown: a toast on its way has no name yet."""
        try:
            while not self._ending:
                await self._wake.wait()
                self._wake.clear()
                await self._try(self._follow_daemon())
                while self._wanted:
                    key = next(iter(self._wanted))
                    await self._try(self._do(key, self._wanted.pop(key)))
            for key in list(self._live):
                await self._clear(key)
        finally:
            await self._drop_notifier()
            await self._daemons.close()

    def _want(self, key: str | None, toast: Toast | None) -> None:
        if self._ending:
            return
        self._wanted.pop(key, None)  # the last word counts, so the lane is never longer than the fleet
        self._wanted[key] = toast
        self._wake.set()

    async def _try(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:  # the boundary of the lane: a toast is never worth the app
            log.exception("a notification failed")

    async def _do(self, key: str | None, toast: Toast | None) -> None:
        self._standing.pop(key, None)  # first: another daemon is to get the new one alone
        if not self._connected:
            await self._forget_daemon()
        await self._follow_daemon()
        await self._clear(key)
        if toast is not None:
            await self._show(key, toast)

    async def _show(self, key: str | None, toast: Toast) -> None:
        daemon = await self._meet_daemon()
        if toast.lasts:
            self._standing[key] = toast
        shown = as_shown_by(daemon or NotificationDaemon(""), toast)
        if daemon is None:
            self._not_shown(shown, "no notification daemon answers; notifications are not shown")
            return
        if daemon.reads_markup:
            shown = replace(shown, body=escape(shown.body, quote=False))
        for _ in range(2):  # the second try is over a new connection: the bus may have been restarted
            if await self._send(key, toast, shown):
                self._complained = False
                return
            await self._drop_notifier()
        if not await notification_daemon.show_with_applescript(shown.title, shown.body):
            self._not_shown(shown, "the notification daemon does not take notifications")

    async def _send(self, key: str | None, toast: Toast, shown: Toast) -> bool:
        notifier = self._open_notifier()
        if notifier is None or (sys.platform == "darwin" and not await notifier.has_authorisation()):
            return False
        live = _Live(str(uuid4()), toast, shown)
        taken = asyncio.Event()

        def take() -> None:
            taken.set()
            self._live[key] = live
            self._guard.appeared()

        notification = Notification(
            shown.title,
            shown.body,
            urgency=Urgency.Critical if shown.urgent else Urgency.Normal,
            icon=_picture(shown),
            timeout=UNTIL_WITHDRAWN if shown.lasts else -1,
            on_dispatched=take,
            buttons=tuple(Button(button.label, identifier=str(place)) for place, button in enumerate(shown.buttons)),
            reply_field=None if shown.field is None else ReplyField(),
            identifier=live.identifier,
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(SEND_TIMEOUT):
                await notifier.send_notification(notification)
        if self._bus is not None and self._bus is not self._heard:
            self._heard = self._bus
            notification_daemon.on_notification_closed(self._bus, self._guard.went)
        return taken.is_set()

    def _open_notifier(self) -> DesktopNotifier | None:
        """The way to the desktop; None, and a word in the log, where there is none.

        What a person does reaches its handlers with the toast's id, also when the desktop has put the toast away in
        the meantime, as Windows does after five seconds; handlers of the toast itself are forgotten then.
        """
        if self._notifier is None:
            try:
                notifier = self._connect(app_name=self._app_name, app_icon=self._icon)
            except Exception as error:  # noqa: BLE001  # no such service, not registered, forbidden: by the platform
                self._complain(f"notifications cannot be shown here: {error}")
                return None
            notifier.on_clicked = self._clicked
            notifier.on_button_pressed = self._pressed
            notifier.on_replied = self._replied
            notifier.on_dismissed = self._dismissed
            self._notifier = notifier
        return self._notifier

    # What a stale or foreign id names is not live, and chooses nothing. So does a second click.

    def _clicked(self, identifier: str) -> None:
        for _, live in self._used(identifier):
            if live.shown.click is not None:
                self._on_choice(live.shown.click)

    def _pressed(self, identifier: str, button: str) -> None:
        refusal = self._guard.refusal()
        for key, live in self._used(identifier):
            choice = live.shown.buttons[int(button)].choice
            if refusal is None or not isinstance(choice, AnswerCommand):
                self._on_choice(choice)
            elif key not in self._wanted:
                self._want(key, replace(live.toast, note=refusal))

    def _replied(self, identifier: str, text: str) -> None:
        for _, live in self._used(identifier):
            if live.shown.field is not None:  # words are typed into the toast they are meant for, wherever it moves
                self._on_choice(live.shown.field(text))

    def _dismissed(self, identifier: str) -> None:
        self._used(identifier)

    def _used(self, identifier: str) -> list[tuple[str | None, _Live]]:
        """Key and toast with this id, if there is one; the desktop closes it as it is clicked."""
        used = [(key, live) for key, live in self._live.items() if live.identifier == identifier]
        for key, _ in used:
            del self._live[key]
            self._standing.pop(key, None)
            self._guard.went()
        return used

    async def _clear(self, key: str | None) -> None:
        live = self._live.pop(key, None)
        if live is None or self._notifier is None or self._next_owner not in (None, self._owner):
            return  # to another daemon its number is somebody else's notification
        self._guard.went()
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._notifier.clear(live.identifier)
        except KeyError:
            pass  # closed by the person already
        except Exception as error:  # noqa: BLE001  # the daemon is gone, and with it the toast
            log.debug("a notification could not be withdrawn: %s", error)
            await self._drop_notifier()

    @property
    def _bus(self) -> Any:
        """The connection that desktop-notifier keeps to itself and never closes; None where there is none."""
        return getattr(getattr(self._notifier, "_backend", None), "bus", None)

    @property
    def _connected(self) -> bool:
        return self._bus is None or self._bus.connected

    def _owner_changed(self, owner: str) -> None:
        self._next_owner = owner
        if owner:
            self._wake.set()

    async def _follow_daemon(self) -> None:
        """Where another daemon has come, show on it what waits for an answer. One that went is not started again."""
        owner, self._next_owner = self._next_owner, None
        if owner in (None, self._owner):
            return
        await self._forget_daemon()
        if owner:
            await self._meet_daemon()

    async def _meet_daemon(self) -> NotificationDaemon | None:
        daemon = await self._daemons.find()
        if daemon is not None and daemon.owner != self._owner:
            await self._forget_daemon()
            self._owner = daemon.owner
            for key, toast in self._standing.items():
                self._wanted.setdefault(key, toast)
        return daemon

    async def _forget_daemon(self) -> None:
        """It is gone, and with it its toasts; the notifier knows it alone and what it could do."""
        await self._drop_notifier()
        self._live.clear()
        self._owner = ""

    async def _drop_notifier(self) -> None:
        """Let the next notification go over a new connection."""
        bus, self._notifier = self._bus, None
        if bus is not None:
            await notification_daemon.disconnect(bus)

    def _not_shown(self, toast: Toast, problem: str) -> None:
        self._complain(problem)
        if self._on_unshown is not None:
            self._on_unshown(toast.title, toast.body)

    def _complain(self, problem: str) -> None:
        if not self._complained:
            log.warning(problem)
        self._complained = True


def _picture(toast: Toast) -> Icon | None:
    """The state's own picture, or None for the application's icon."""
    path = resources.toast_image(toast.reason.value) if toast.reason is not None else None
    return Icon(path=path) if path is not None else None
