"""Any other terminal, by its window: the desktop is asked to bring the window of one of the program's parents up."""

from __future__ import annotations

import asyncio
import os
import sys

from tray.system.processes import Seat


class Window:
    """A Rung."""

    name = "window"

    def detect(self, seat: Seat) -> bool:
        """Whether the program has a terminal that a window can belong to."""
        return bool(seat.ancestors)

    async def go(self, seat: Seat) -> str | None:
        """Raise it, by the desktop's own means."""
        owners = frozenset(seat.ancestors)
        if sys.platform == "win32":
            from tray.system.win32_windows import raise_window  # noqa: PLC0415  # Windows only

            return _told(*await asyncio.to_thread(raise_window, owners))
        if sys.platform == "darwin":
            from tray.system.mac_windows import raise_application  # noqa: PLC0415  # macOS only

            return "Brought its terminal to the front" if await raise_application(seat.ancestors) else None
        from tray.system.compositors import focus  # noqa: PLC0415  # Linux only

        if await focus(seat.ancestors):
            return _told(1, done=True)
        if os.environ.get("DISPLAY"):
            from tray.system.x11 import raise_window as raise_x_window  # noqa: PLC0415  # Linux only

            told = seat.variable("WINDOWID")
            number = int(told) if told.isdigit() else 0
            return _told(*await asyncio.to_thread(raise_x_window, owners, number, seat.title))
        return None


def _told(windows: int, done: bool) -> str | None:  # noqa: FBT001  # what the desktop says, as it comes
    if not done:
        return None
    return "Brought its window to the front" if windows == 1 else f"Brought one of its terminal's {windows} windows up"
