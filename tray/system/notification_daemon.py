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
_OSASCRIPT = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run"


class Daemon(msgspec.Struct, frozen=True):
    """A notification service. `reads_markup`: `&`, `<` and `>` in a body have to be escaped."""

    name: str
    capabilities: frozenset[str] = frozenset()

    @property
    def reads_markup(self) -> bool:
        """Whether the body is read as markup: dunst with a configuration of its own may only own up to the links."""
        return not self.capabilities.isdisjoint(("body-markup", "body-hyperlinks"))


async def find() -> Daemon | None:
    """The desktop's notification service, or None. Asked anew each time: daemons come and go."""
    if sys.platform == "linux":
        try:
            return await asyncio.wait_for(_find_on_bus(), PROBE_TIMEOUT)
        except Exception:  # noqa: BLE001  # no bus, a dead bus, a daemon that does not answer: all the same here
            return None
    return Daemon(sys.platform)


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
            await asyncio.wait_for(bus.wait_for_disconnect(), HANG_UP_TIMEOUT)  # type: ignore[no-untyped-call]

    def tell_of_closed(bus: MessageBus, closed: Callable[[], None]) -> None:
        """Call `closed` for each notification that is closed, as far as the connection is told of it.

        That is every program's where the daemon broadcasts the signal, else this connection's own.
        """

        def heard(message: Message) -> None:
            if (message.interface, message.member) == (_NAME, "NotificationClosed"):
                closed()

        bus.add_message_handler(heard)

    async def _find_on_bus() -> Daemon | None:
        bus = await MessageBus().connect()
        try:
            name = await _call(bus, "GetServerInformation")
            capabilities = await _call(bus, "GetCapabilities")
        finally:
            await hang_up(bus)
        if name is None or capabilities is None:
            return None
        return Daemon(str(name[0]), frozenset(capabilities[0]))

    async def _call(bus: MessageBus, member: str) -> list[Any] | None:
        reply = await bus.call(Message(destination=_NAME, path=_PATH, interface=_NAME, member=member))
        return reply.body if reply is not None and reply.message_type is MessageType.METHOD_RETURN else None

else:

    async def hang_up(bus: Any) -> None:
        """Nothing: there is no bus."""

    def tell_of_closed(bus: Any, closed: Callable[[], None]) -> None:
        """Nothing: there is no bus."""

    async def _find_on_bus() -> Daemon | None:
        return None
