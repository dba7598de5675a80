"""What the icon asks of the D-Bus session bus: signals, and a name."""

from __future__ import annotations

from dbus_fast import Message
from dbus_fast.aio import MessageBus

from tray.surfaces.backends.dbus_introspection import BUS, BUS_PATH
from tray.system.session_bus import call


async def watch(bus: MessageBus, rule: str) -> None:
    """Get the signals that the match rule names."""
    await call(bus, Message(BUS, BUS_PATH, BUS, "AddMatch", signature="s", body=[rule]))


async def request_name(bus: MessageBus, name: str) -> None:
    """Be reachable under this name, unless somebody has it already."""
    do_not_queue = 4
    await call(bus, Message(BUS, BUS_PATH, BUS, "RequestName", signature="su", body=[name, do_not_queue]))
