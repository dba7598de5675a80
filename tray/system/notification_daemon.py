"""Find the desktop's notification daemon, its capabilities and its changes of owner."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from tray.system.paths import TITLE
from tray.system.subprocesses import run

PROBE_TIMEOUT = 2.0  # s
DISCONNECT_TIMEOUT = 1.0  # s
APPLESCRIPT_TIMEOUT = 5.0  # s
APPLESCRIPT = "osascript"  # the "daemon" of macOS whose notifications have no buttons
BALLOON = "balloon"  # the "daemon" of a Windows without WinRT: the icon shows the text
_NAME, _PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
_BUS, _BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
_OWNER_CHANGED = f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{_NAME}'"
_OSASCRIPT = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"

# Daemons that announce `actions` but draw no buttons: actions are chosen in a menu opened by a key or another program.
_BUTTONLESS = frozenset({"dunst", "mako", "fnott"})


class NotificationDaemon(msgspec.Struct, frozen=True):
    """A notification daemon and its capabilities."""

    name: str
    capabilities: frozenset[str] = frozenset()
    vendor: str = ""
    owner: str = ""  # its unique name on the bus, which changes with its process

    @property
    def shows_buttons(self) -> bool:
        """Whether the actions of a notification are buttons."""
        if sys.platform != "linux":
            return self.name not in (APPLESCRIPT, BALLOON)
        return "actions" in self.capabilities and self.name not in _BUTTONLESS

    @property
    def reads_markup(self) -> bool:
        """Whether the body is markup, in which `&`, `<` and `>` have to be escaped.

        Some configurations of dunst announce only hyperlinks although all markup is parsed.
        """
        return not self.capabilities.isdisjoint(("body-markup", "body-hyperlinks"))


class DaemonMonitor:
    """Finds the notification daemon and reports when another process takes or releases its bus name.

    `on_owner` is called with the unique bus name of the new owner, or "". The connection is opened by the first `find`.
    """

    def __init__(self, on_owner: Callable[[str], None]) -> None:
        self._on_owner = on_owner
        self._bus: Any = None
        self.is_silent = False  # whether the daemon, or the bus, did not answer the last time

    async def find(self) -> NotificationDaemon | None:
        """Return the daemon that runs now, or None. Queries it each time, because daemons start and stop."""
        if sys.platform != "linux":
            return NotificationDaemon(sys.platform)
        self.is_silent = False
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                return await self._query()
        except TimeoutError:
            self.is_silent = True
            return None
        except Exception:  # noqa: BLE001  # no bus, or a closed bus
            return None

    async def close(self) -> None:
        """Disconnect; `on_owner` is not called again."""
        bus, self._bus = self._bus, None
        if bus is not None:
            await disconnect(bus)

    async def _query(self) -> NotificationDaemon | None:
        if self._bus is None or not self._bus.connected:
            await self.close()
            self._bus = await connect(self._on_owner)
        return await query(self._bus)


async def find() -> NotificationDaemon | None:
    """Return the desktop's notification daemon, or None. Asks Windows whether it shows notifications of programs."""
    if sys.platform == "win32" and not _has_toasts():
        return NotificationDaemon(BALLOON)
    monitor = DaemonMonitor(lambda _: None)
    try:
        return await monitor.find()
    finally:
        await monitor.close()


def _has_toasts() -> bool:
    from desktop_notifier import DesktopNotifier  # noqa: PLC0415  # slow to import

    try:
        DesktopNotifier(app_name=TITLE)
    except Exception:  # noqa: BLE001  # WinRT raises anything: not registered, forbidden by a policy
        return False
    return True


async def show_with_applescript(title: str, body: str) -> bool:
    """Show a notification without buttons on macOS, where an unbundled Python may show none itself. False elsewhere."""
    if sys.platform != "darwin":
        return False
    done = await run([APPLESCRIPT, "-e", _OSASCRIPT, "--", title, body], timeout=APPLESCRIPT_TIMEOUT)
    return done.ok


if sys.platform == "linux":
    from dbus_fast import Message, MessageType
    from dbus_fast.aio import MessageBus

    async def disconnect(bus: MessageBus) -> None:
        """Close a connection and its socket, even if the bus has ended."""
        bus.disconnect()
        with suppress(Exception):
            async with asyncio.timeout(DISCONNECT_TIMEOUT):
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    def on_notification_closed(bus: MessageBus, callback: Callable[[], None]) -> None:
        """Call `callback` for each NotificationClosed signal that the connection receives.

        Some daemons send it only to the owner of the notification, others broadcast it for all programs.
        """

        def on_message(message: Message) -> None:
            if (message.interface, message.member) == (_NAME, "NotificationClosed"):
                callback()

        bus.add_message_handler(on_message)

    async def connect(on_owner: Callable[[str], None]) -> MessageBus:
        """Connect to the session bus and watch the owner of the daemon's name. Raises if there is no bus."""
        bus = await MessageBus().connect()

        def on_message(message: Message) -> None:
            if message.member == "NameOwnerChanged" and message.body[0] == _NAME:
                on_owner(message.body[2])

        bus.add_message_handler(on_message)
        try:
            await bus.call(Message(_BUS, _BUS_PATH, _BUS, "AddMatch", signature="s", body=[_OWNER_CHANGED]))
        except BaseException:
            await disconnect(bus)
            raise
        return bus

    async def query(bus: MessageBus) -> NotificationDaemon | None:
        """Return the name and capabilities of the daemon, which the bus starts if it can; None if there is none."""
        information = await _call(bus, "GetServerInformation")
        capabilities = await _call(bus, "GetCapabilities")
        if information is None or capabilities is None:
            return None
        name, vendor, *_ = information.body
        return NotificationDaemon(name, frozenset(capabilities.body[0]), vendor, information.sender or "")

    async def _call(bus: MessageBus, member: str) -> Message | None:
        reply = await bus.call(Message(destination=_NAME, path=_PATH, interface=_NAME, member=member))
        return reply if reply is not None and reply.message_type is MessageType.METHOD_RETURN else None

else:

    async def disconnect(bus: Any) -> None:
        """Do nothing: D-Bus is used on Linux only."""

    def on_notification_closed(bus: Any, callback: Callable[[], None]) -> None:
        """Do nothing: D-Bus is used on Linux only."""

    async def connect(on_owner: Callable[[str], None]) -> Any:
        """Do nothing: D-Bus is used on Linux only."""

    async def query(bus: Any) -> NotificationDaemon | None:
        """Do nothing: D-Bus is used on Linux only."""
