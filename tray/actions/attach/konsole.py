"""The terminal Konsole: select the tab over D-Bus, and have the desktop raise the window."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

from tray.actions.attach.terminal import Focused, FocusState
from tray.actions.attach.window import Window
from tray.system.terminal_processes import TerminalProcess


class Konsole:
    """A TerminalFocuser and FocusReporter."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def detect(self, process: TerminalProcess) -> bool:
        """Return whether the environment names the D-Bus service, window and session of Konsole."""
        service = re.fullmatch(r"org\.kde\.konsole[\w.-]*|:[\d.]+", process.variable("KONSOLE_DBUS_SERVICE"))
        session = re.fullmatch(r"/Sessions/\d+", process.variable("KONSOLE_DBUS_SESSION"))
        return sys.platform == "linux" and bool(service and session and _window_path(process))

    async def bring_to_front(self, process: TerminalProcess) -> Focused | None:
        """Select the tab and raise the window."""
        number = _session_number(process)
        listed = await _call(process, "sessionList")
        if listed is None or str(number) not in [str(known) for known in listed[0]]:
            return None  # setCurrentSession reports no error for an unknown number
        if await _call(process, "setCurrentSession", number) is None:
            return None
        raised = await self._window.bring_to_front(process)
        return Focused("Focused the Konsole tab") if raised else None

    async def focus_state(self, process: TerminalProcess) -> FocusState | None:
        """Return the focus of the window if the tab is selected."""
        current = await _call(process, "currentSession")
        if current is None:
            return None
        if current[0] != _session_number(process):
            return FocusState(has_focus=False)
        return await self._window.focus_state(process)


def _window_path(process: TerminalProcess) -> str:
    path = process.variable("KONSOLE_DBUS_WINDOW")
    return path if re.fullmatch(r"/Windows/\d+", path) else ""


def _session_number(process: TerminalProcess) -> int:
    return int(process.variable("KONSOLE_DBUS_SESSION").rpartition("/")[2])


async def _call(process: TerminalProcess, method: str, *numbers: int) -> Sequence[Any] | None:
    """Call a method of Konsole's window; return its results, or None if the call failed."""
    from dbus_fast import Message  # noqa: PLC0415  # Linux only

    from tray.system.session_bus import BusError, call, connect  # noqa: PLC0415  # Linux only

    service, interface = process.variable("KONSOLE_DBUS_SERVICE"), "org.kde.konsole.Window"
    signature = "i" * len(numbers)
    message = Message(service, _window_path(process), interface, method, signature=signature, body=[*numbers])
    try:
        bus = await connect()
    except BusError:
        return None
    try:
        return await call(bus, message)
    except BusError:
        return None
    finally:
        bus.disconnect()
