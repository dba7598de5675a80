"""Sends and withdraws single notifications through desktop-notifier, and reconnects when the bus was restarted."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from desktop_notifier import Button, DesktopNotifier, Icon, Notification, ReplyField, Urgency

from tray.surfaces.toasts import Toast
from tray.system import notification_daemon, resources
from tray.system.tasks import call_on_loop

log = logging.getLogger(__name__)

SEND_TIMEOUT = 5.0  # s; without it, a stopped daemon would block all later notifications
NEVER_EXPIRES = 0  # Desktop Notifications Specification: 0 is never, -1 is the daemon's default
ATTEMPTS = 2  # the second one uses a new connection, as the bus may have been restarted
NO_CENTER = "DummyNotificationCenter"  # the back end of a Python outside of a signed app on macOS: it shows nothing


class NotificationHandlers(NamedTuple):
    """What is called on the loop, with the notification's id, when the user or the desktop acts on a notification."""

    clicked: Callable[[str], None]
    button_pressed: Callable[[str, str], None]  # also with the index of the button, as text
    replied: Callable[[str, str], None]  # also with the user's text
    dismissed: Callable[[str], object]
    any_closed: Callable[[], None]  # some notification was closed, possibly another program's


class NotificationSender:
    """A connection to the notification daemon, opened when the first notification is sent.

    Clicks are handled by handlers with the notification's id, not by the notification's own handlers: those are
    forgotten when the desktop puts a notification away, as Windows does after five seconds.
    """

    def __init__(
        self,
        app_name: str,
        icon: Path | None,
        handlers: NotificationHandlers,
        connect: Callable[..., DesktopNotifier],
        platform: str = sys.platform,
    ) -> None:
        self._platform = platform
        self._permission: asyncio.Task[bool] | None = None  # macOS asks the user once
        self.problem = ""  # why the last notification was not accepted
        self._app_name = app_name
        self._icon = Icon(path=icon) if icon is not None else None
        self._handlers = handlers
        self._connect = connect
        self._notifier: DesktopNotifier | None = None
        self._closed_bus: Any = None  # the connection on which we listen for NotificationClosed
        self._unanswered: set[asyncio.Task[None]] = set()

    @property
    def is_disconnected(self) -> bool:
        """Whether the bus has closed the connection."""
        return self._bus is not None and not self._bus.connected

    async def send(self, toast: Toast, identifier: str, on_dispatched: Callable[[], None]) -> bool:
        """Show a notification; return whether it was accepted. `on_dispatched` is called before any handler.

        A daemon on Linux that does not answer in time has the notification, and shows it when it goes on: that counts
        as accepted, and `on_dispatched` is called then.
        """
        for _ in range(ATTEMPTS):
            if await self._send(toast, identifier, on_dispatched):
                return True
            if self._platform != "linux":  # a new notifier would take the buttons from the notifications shown before
                return False
            await self.close()
        return False

    async def withdraw(self, identifier: str) -> None:
        """Close a notification, if it is on the screen."""
        if self._notifier is None:
            return
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._notifier.clear(identifier)
        except KeyError:
            pass  # closed by the user already
        except TimeoutError:
            log.debug("the notification daemon does not answer; it closes the notification when it goes on")
        except Exception as error:  # noqa: BLE001  # the daemon has ended, and its notifications with it
            log.debug("a notification could not be withdrawn: %s", error)
            if self._platform == "linux":
                await self.close()

    async def close(self) -> None:
        """Close the connection; the next notification opens a new one."""
        if self._permission is not None:
            self._permission.cancel()
        bus, self._notifier = self._bus, None
        for sending in self._unanswered:
            sending.cancel()
        if bus is not None:
            await notification_daemon.disconnect(bus)

    async def _send(self, toast: Toast, identifier: str, on_dispatched: Callable[[], None]) -> bool:
        notifier = self._open()
        if notifier is None:
            return False
        self.problem = "the notification daemon does not accept notifications"
        if self._platform == "darwin" and not await self._is_allowed(notifier):
            self.problem = "macOS does not allow the tray's notifications; see System Settings → Notifications"
            return False
        dispatched = asyncio.Event()

        def dispatch() -> None:
            dispatched.set()
            on_dispatched()

        notification = Notification(
            toast.title,
            toast.body,
            urgency=Urgency.Critical if toast.urgent else Urgency.Normal,
            icon=_state_icon(toast),
            timeout=NEVER_EXPIRES if toast.persistent else -1,
            on_dispatched=dispatch,
            buttons=tuple(Button(button.label, identifier=str(index)) for index, button in enumerate(toast.buttons)),
            reply_field=None if toast.field is None else ReplyField(),
            identifier=identifier,
        )
        sending = asyncio.create_task(_send_to(notifier, notification), name="notification")
        await asyncio.wait({sending}, timeout=SEND_TIMEOUT)
        if self._bus is not None and self._bus is not self._closed_bus:
            self._closed_bus = self._bus
            notification_daemon.on_notification_closed(self._bus, self._handlers.any_closed)
        if not sending.done() and self._platform == "linux":
            self._unanswered.add(sending)
            sending.add_done_callback(self._unanswered.discard)
            return True
        sending.cancel()
        return dispatched.is_set()

    async def _is_allowed(self, notifier: DesktopNotifier) -> bool:
        """Return whether macOS lets us show notifications; the first time, macOS asks the user.

        The user may take any time for that. To give up the question would count as a refusal.
        """
        if self._permission is None:
            self._permission = asyncio.get_running_loop().create_task(_ask(notifier), name="permission to notify")
        with suppress(TimeoutError):
            async with asyncio.timeout(SEND_TIMEOUT):
                return await notifier.has_authorisation()
        return False

    def _open(self) -> DesktopNotifier | None:
        """Return the DesktopNotifier; None if the desktop has no notification service."""
        if self._notifier is None:
            try:
                notifier = self._connect(app_name=self._app_name, app_icon=self._icon)
            except Exception as error:  # noqa: BLE001  # no such service, not registered, forbidden: by the platform
                self.problem = f"notifications cannot be shown here: {error}"
                return None
            if type(getattr(notifier, "_backend", None)).__name__ == NO_CENTER:
                self.problem = "macOS shows no notifications of a Python that is not in a signed app"
                return None
            notifier.on_clicked = self._on_loop(self._handlers.clicked)
            notifier.on_button_pressed = self._on_loop(self._handlers.button_pressed)
            notifier.on_replied = self._on_loop(self._handlers.replied)
            notifier.on_dismissed = self._on_loop(self._handlers.dismissed)
            self._notifier = notifier
        return self._notifier

    def _on_loop(self, handler: Callable[..., object]) -> Callable[..., None]:
        """Return a handler that can be called on any thread: macOS calls handlers on the thread of AppKit."""
        loop = asyncio.get_running_loop()

        def call(*arguments: str) -> None:
            if self._platform == "darwin":
                call_on_loop(loop, handler, *arguments)
            else:
                handler(*arguments)

        return call

    @property
    def _bus(self) -> Any:
        """desktop-notifier's D-Bus connection, which it neither exposes nor closes; None if there is none."""
        return getattr(getattr(self._notifier, "_backend", None), "bus", None)


async def _send_to(notifier: DesktopNotifier, notification: Notification) -> None:
    await notifier.send_notification(notification)


async def _ask(notifier: DesktopNotifier) -> bool:
    try:
        return await notifier.request_authorisation()
    except Exception as error:  # noqa: BLE001  # of the platform; the next notification says that it is not allowed
        log.warning("macOS could not be asked whether notifications are allowed: %s", error)
        return False


def _state_icon(toast: Toast) -> Icon | None:
    """Return the icon for the notification's reason; None for the application's icon."""
    path = resources.toast_image(toast.reason.value) if toast.reason is not None else None
    return Icon(path=path) if path is not None else None
