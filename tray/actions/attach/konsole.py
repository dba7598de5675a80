"""The terminal Konsole: it shows the tab over D-Bus, and the desktop raises its window."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

from tray.actions.attach.terminal import Focus, Raised
from tray.actions.attach.window import Window
from tray.system.terminal_processes import TerminalProcess


class Konsole:
    """A Rung."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def detect(self, seat: TerminalProcess) -> bool:
        """Whether Konsole told the program of its tab."""
        named = re.fullmatch(r"org\.kde\.konsole[\w.-]*|:[\d.]+", seat.variable("KONSOLE_DBUS_SERVICE"))
        numbered = re.fullmatch(r"/Sessions/\d+", seat.variable("KONSOLE_DBUS_SESSION"))
        return sys.platform == "linux" and bool(named and numbered and _path(seat))

    async def go(self, seat: TerminalProcess) -> Raised | None:
        """Choose the tab and raise the window."""
        number = _number(seat)
        listed = await _call(seat, "sessionList")
        if listed is None or str(number) not in [str(known) for known in listed[0]]:
            return None  # Konsole itself does not say no to a number it does not know
        if await _call(seat, "setCurrentSession", number) is None:
            return None
        raised = await self._window.go(seat)
        return Raised("Focused its Konsole tab") if raised else None

    async def focus(self, seat: TerminalProcess) -> Focus | None:
        """Whether the tab is the chosen one, and its window has the keyboard."""
        current = await _call(seat, "currentSession")
        if current is None:
            return None
        return await self._window.focus(seat) if current[0] == _number(seat) else Focus(has_it=False)


def _path(seat: TerminalProcess) -> str:
    path = seat.variable("KONSOLE_DBUS_WINDOW")
    return path if re.fullmatch(r"/Windows/\d+", path) else ""


def _number(seat: TerminalProcess) -> int:
    return int(seat.variable("KONSOLE_DBUS_SESSION").rpartition("/")[2])


async def _call(seat: TerminalProcess, method: str, *numbers: int) -> Sequence[Any] | None:
    """Call a method of the window; what it returned, or None where that did not work."""
    from dbus_fast import Message  # noqa: PLC0415  # Linux only

    from tray.system.session_bus import BusError, call, connect  # noqa: PLC0415  # Linux only

    service, interface = seat.variable("KONSOLE_DBUS_SERVICE"), "org.kde.konsole.Window"
    try:
        bus = await connect()
    except BusError:
        return None
    try:
        signature = "i" * len(numbers)
        return await call(bus, Message(service, _path(seat), interface, method, signature=signature, body=[*numbers]))
    except BusError:
        return None
    finally:
        bus.disconnect()
