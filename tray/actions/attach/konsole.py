"""The terminal Konsole: it shows the tab over D-Bus, and the desktop raises its window."""

from __future__ import annotations

import re
import sys

from tray.actions.attach.rung import Raised
from tray.actions.attach.window import Window
from tray.system.processes import Seat


class Konsole:
    """A Rung."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def detect(self, seat: Seat) -> bool:
        """Whether Konsole told the program of its tab."""
        named = re.fullmatch(r"org\.kde\.konsole[\w.-]*|:[\d.]+", seat.variable("KONSOLE_DBUS_SERVICE"))
        numbered = re.fullmatch(r"/Sessions/\d+", seat.variable("KONSOLE_DBUS_SESSION"))
        return sys.platform == "linux" and bool(named and numbered and _path(seat))

    async def go(self, seat: Seat) -> Raised | None:
        """Choose the tab and raise the window."""
        if not await _choose(seat.variable("KONSOLE_DBUS_SERVICE"), _path(seat), seat.variable("KONSOLE_DBUS_SESSION")):
            return None
        raised = await self._window.go(seat)
        return Raised("Focused its Konsole tab") if raised else None


def _path(seat: Seat) -> str:
    path = seat.variable("KONSOLE_DBUS_WINDOW")
    return path if re.fullmatch(r"/Windows/\d+", path) else ""


async def _choose(service: str, window: str, session: str) -> bool:
    """Show the tab, if the window has it: Konsole does not say no to a number it does not know."""
    from dbus_fast import Message  # noqa: PLC0415  # Linux only

    from tray.system.session_bus import BusError, call, connect  # noqa: PLC0415  # Linux only

    number, interface = session.rpartition("/")[2], "org.kde.konsole.Window"
    try:
        bus = await connect()
    except BusError:
        return False
    try:
        listed = await call(bus, Message(service, window, interface, "sessionList"))
        if number not in [str(known) for known in listed[0]]:
            return False
        await call(bus, Message(service, window, interface, "setCurrentSession", signature="i", body=[int(number)]))
    except BusError:
        return False
    finally:
        bus.disconnect()
    return True
