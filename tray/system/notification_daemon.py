"""Whether somebody takes notifications, and what it makes of their text."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

PROBE_TIMEOUT = 2.0  # s
HANG_UP_TIMEOUT = 1.0  # s
_NAME, _PATH = "org.freedesktop.Notifications", "/org/freedesktop/Notifications"
_BUS, _BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
_OWNER_CHANGED = f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{_NAME}'"
_OSASCRIPT = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"


# They own up to `actions` and have no buttons: actions are chosen in a menu that a key or another program opens.
_BUTTONLESS = frozenset({"dunst", "mako", "fnott"})


class Daemon(msgspec.Struct, frozen=True):
    """A notification service. `reads_markup`: `&`, `<` and `>` in a body have to be escaped."""

    name: str
    capabilities: frozenset[str] = frozenset()
    vendor: str = ""
    owner: str = ""  # who has the service's name on the bus: another process has another one

    @property
    def shows_buttons(self) -> bool:
        """Whether a notification's actions can be clicked."""
        return sys.platform != "linux" or ("actions" in self.capabilities and self.name not in _BUTTONLESS)

    @property
    def reads_markup(self) -> bool:
        """Whether the body is read as markup: dunst with a configuration of its own may only own up to the links."""
        return not self.capabilities.isdisjoint(("body-markup", "body-hyperlinks"))


class Daemons:
    """Finds the desktop's notification service, and tells when another process takes or gives up its name.

    `on_owner` is called with the new owner's name on the bus, or "". There is a connection from the first `find` on.
    """

    def __init__(self, on_owner: Callable[[str], None]) -> None:
        self._on_owner = on_owner
        self._bus: Any = None

    async def find(self) -> Daemon | None:
        """The service, or None. Asked anew each time: daemons come and go."""
        if sys.platform != "linux":
            return Daemon(sys.platform)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                return await self._ask()
        except Exception:  # noqa: BLE001  # no bus, a dead bus, a daemon that does not answer: all the same here
            return None

    async def close(self) -> None:
        """Hang up; nothing is told any more."""
        bus, self._bus = self._bus, None
        if bus is not None:
            await hang_up(bus)

    async def _ask(self) -> Daemon | None:
        if self._bus is None or not self._bus.connected:
            await self.close()
            self._bus = await connect_and_follow(self._on_owner)
        return await ask(self._bus)


async def find() -> Daemon | None:
    """The desktop's notification service, or None; asked once."""
    daemons = Daemons(lambda _: None)
    try:
        return await daemons.find()
    finally:
        await daemons.close()


async def show_without_clicks(title: str, body: str) -> bool:
    """On macOS, where an unbundled Python may not notify: let AppleScript show it. False elsewhere."""
    if sys.platform != "darwin":
        return False
    process = await asyncio.create_subprocess_exec("osascript", "-e", _OSASCRIPT, "--", title, body)
    return await process.wait() == 0


if sys.platform == "linux":
    from dbus_fast import Message, MessageType
    from dbus_fast.aio import MessageBus

    async def hang_up(bus: MessageBus) -> None:
        """Close a connection to the bus, and its socket with it, also if the bus is gone."""
        bus.disconnect()
        with suppress(Exception):
            async with asyncio.timeout(HANG_UP_TIMEOUT):
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    def tell_of_closed(bus: MessageBus, closed: Callable[[], None]) -> None:
        """Call `closed` for each notification that is closed, as far as the connection is told of it.

        That is every program's where the daemon broadcasts the signal, else this connection's own.
        """

        def heard(message: Message) -> None:
            if (message.interface, message.member) == (_NAME, "NotificationClosed"):
                closed()

        bus.add_message_handler(heard)

    async def connect_and_follow(on_owner: Callable[[str], None]) -> MessageBus:
        """A connection to the session bus that is told who owns the service's name. Raises where there is none."""
        bus = await MessageBus().connect()

        def heard(message: Message) -> None:
            if message.member == "NameOwnerChanged" and message.body[0] == _NAME:
                on_owner(message.body[2])

        bus.add_message_handler(heard)
        try:
            await bus.call(Message(_BUS, _BUS_PATH, _BUS, "AddMatch", signature="s", body=[_OWNER_CHANGED]))
        except BaseException:
            await hang_up(bus)
            raise
        return bus

    async def ask(bus: MessageBus) -> Daemon | None:
        """Ask the service, which the bus starts if it can, who it is; None if nobody is there."""
        server = await _call(bus, "GetServerInformation")
        capabilities = await _call(bus, "GetCapabilities")
        if server is None or capabilities is None:
            return None
        name, vendor, *_ = server.body
        return Daemon(name, frozenset(capabilities.body[0]), vendor, server.sender or "")

    async def _call(bus: MessageBus, member: str) -> Message | None:
        reply = await bus.call(Message(destination=_NAME, path=_PATH, interface=_NAME, member=member))
        return reply if reply is not None and reply.message_type is MessageType.METHOD_RETURN else None

else:

    async def hang_up(bus: Any) -> None:
        """Nothing: there is no bus."""

    def tell_of_closed(bus: Any, closed: Callable[[], None]) -> None:
        """Nothing: there is no bus."""

    async def connect_and_follow(on_owner: Callable[[str], None]) -> Any:
        """Nothing: there is no bus."""

    async def ask(bus: Any) -> Daemon | None:
        """Nobody: there is no bus."""
