"""What the icon asks of the D-Bus session bus: signals, a name, and whether a panel is there."""

from __future__ import annotations

from dbus_fast import Message
from dbus_fast.aio import MessageBus

from tray.surfaces.backends.dbus_names import BUS, BUS_PATH, PROPERTIES, WATCHER, WATCHER_PATH
from tray.system.session_bus import call


async def watch(bus: MessageBus, rule: str) -> None:
    """Get the signals that the match rule names."""
    await call(bus, Message(BUS, BUS_PATH, BUS, "AddMatch", signature="s", body=[rule]))


async def request_name(bus: MessageBus, name: str) -> None:
    """Be reachable under this name, unless somebody has it already."""
    do_not_queue = 4
    await call(bus, Message(BUS, BUS_PATH, BUS, "RequestName", signature="su", body=[name, do_not_queue]))


async def host_registered(bus: MessageBus) -> bool:
    """Whether a panel shows StatusNotifierItems. Raises BusError where there is not even a watcher."""
    question = [WATCHER, "IsStatusNotifierHostRegistered"]
    answer = await call(bus, Message(WATCHER, WATCHER_PATH, PROPERTIES, "Get", signature="ss", body=question))
    return bool(answer[0].value)
