"""Native notifications: one live toast a session, shown and withdrawn in order, whatever the daemon does meanwhile."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from desktop_notifier import Button, DesktopNotifier, Icon, ReplyField, Urgency

from tray.core.alerts import Alert
from tray.core.choices import Choice
from tray.core.text import shorten
from tray.surfaces.toasts import BUTTONS, TITLE_COLUMNS, Toast, body_text, toast_of
from tray.system import notification_daemon, resources

log = logging.getLogger(__name__)

SEND_TIMEOUT = 5.0  # s; a stopped daemon would let a send wait for ever
UNTIL_WITHDRAWN = 0  # s; in the Desktop Notifications Specification 0 is never, and -1 is as the daemon likes
SAID = None  # the key of what is no session's


class Notifications:
    """A first-in-first-out lane to the desktop. `on_choice` is called on the loop with what a toast was clicked for."""

    def __init__(self, app_name: str, icon: Path | None, on_choice: Callable[[Choice], None]) -> None:
        self._app_name = app_name
        self._icon = Icon(path=icon) if icon is not None else None
        self._on_choice = on_choice
        self._notifier: DesktopNotifier | None = None
        self._live: dict[str | None, str] = {}  # toast key -> the notifier's own id
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
                while self._wanted:
                    key = next(iter(self._wanted))
                    await self._do(key, self._wanted.pop(key))
            for key in list(self._live):
                await self._clear(key)
        finally:
            await self._drop_notifier()

    def _want(self, key: str | None, toast: Toast | None) -> None:
        if self._ending:
            return
        self._wanted.pop(key, None)  # the last word counts, so the lane is never longer than the fleet
        self._wanted[key] = toast
        self._wake.set()

    async def _do(self, key: str | None, toast: Toast | None) -> None:
        try:
            if not self._connected:
                await self._drop_notifier()
                self._live.clear()  # the daemon went with the bus, and the toasts with the daemon
            await self._clear(key)
            if toast is not None:
                await self._show(key, toast)
        except Exception:  # the boundary of the lane: a toast is never worth the app
            log.exception("a notification failed")

    async def _show(self, key: str | None, toast: Toast) -> None:
        title, body = shorten(toast.title, TITLE_COLUMNS), body_text(toast.body)
        daemon = await notification_daemon.find()
        if daemon is None:
            self._complain("no notification daemon answers; notifications are not shown")
            return
        if daemon.reads_markup:
            body = escape(body, quote=False)
        for _ in range(2):  # the second try is over a new connection: the bus may have been restarted
            if await self._send(key, toast, title, body):
                self._complained = False
                return
            await self._drop_notifier()
        if not await notification_daemon.show_without_clicks(title, body):
            self._complain("the notification daemon does not take notifications")

    async def _send(self, key: str | None, toast: Toast, title: str, body: str) -> bool:
        taken: list[bool] = []
        if self._notifier is None:
            self._notifier = DesktopNotifier(app_name=self._app_name, app_icon=self._icon)
        if sys.platform == "darwin" and not await self._notifier.has_authorisation():
            return False
        choose, click, field = self._on_choice, toast.click, toast.field
        buttons = [
            Button(title=button.label, on_pressed=partial(choose, button.choice)) for button in toast.buttons[:BUTTONS]
        ]
        sending = self._notifier.send(
            title,
            body,
            urgency=Urgency.Critical if toast.urgent else Urgency.Normal,
            icon=_picture(toast),
            timeout=UNTIL_WITHDRAWN if toast.lasts else -1,
            on_dispatched=lambda: taken.append(True),
            on_clicked=None if click is None else partial(choose, click),
            buttons=buttons,
            reply_field=None if field is None else ReplyField(on_replied=lambda text: choose(field(text))),
        )
        try:
            identifier = await asyncio.wait_for(sending, SEND_TIMEOUT)
        except asyncio.TimeoutError:
            return False
        if taken:
            self._live[key] = identifier
        return bool(taken)

    async def _clear(self, key: str | None) -> None:
        identifier = self._live.pop(key, None)
        if identifier is None or self._notifier is None:
            return
        try:
            await asyncio.wait_for(self._notifier.clear(identifier), SEND_TIMEOUT)
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

    async def _drop_notifier(self) -> None:
        """Let the next notification go over a new connection."""
        bus, self._notifier = self._bus, None
        if bus is not None:
            await notification_daemon.hang_up(bus)

    def _complain(self, problem: str) -> None:
        if not self._complained:
            log.warning(problem)
        self._complained = True


def _picture(toast: Toast) -> Icon | None:
    """The state's own picture, or None for the application's icon."""
    path = resources.picture(toast.reason.value) if toast.reason is not None else None
    return Icon(path=path) if path is not None else None
