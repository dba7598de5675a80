"""Any other terminal, by its window: the desktop is asked to bring the window of one of the program's parents up."""

from __future__ import annotations

import asyncio
import os
import sys

from tray.actions.attach.terminal import Focus, Raised
from tray.system.open_windows import focused_window, list_windows
from tray.system.terminal_processes import TerminalProcess


class Window:
    """A Rung."""

    def detect(self, seat: TerminalProcess) -> bool:
        """Whether the program has parents that a window can belong to."""
        return bool(seat.ancestors)

    async def go(self, seat: TerminalProcess) -> Raised | None:
        """Raise that of the nearest of its parents that has one, by the desktop's own means."""
        if sys.platform == "win32":
            from tray.system.win32_windows import raise_window  # noqa: PLC0415  # Windows only

            return _told(*await asyncio.to_thread(raise_window, seat.ancestors))
        if sys.platform == "darwin":
            from tray.system.mac_windows import raise_application  # noqa: PLC0415  # macOS only

            done = await raise_application(seat.ancestors)
            return Raised("Brought its terminal to the front", exact=False) if done else None
        from tray.system.wayland_windows import focus  # noqa: PLC0415  # Linux only

        if await focus(seat.ancestors):
            return _told(1, done=True)
        if os.environ.get("DISPLAY"):
            from tray.system.x11_windows import raise_window as raise_x_window  # noqa: PLC0415  # Linux only

            return _told(*await asyncio.to_thread(raise_x_window, seat.ancestors, _number(seat), seat.title))
        return None

    async def focus(self, seat: TerminalProcess) -> Focus | None:
        """Whether its window has the keyboard; of a terminal with several, and without X11, whether one of them has."""
        windows = await list_windows(seat.ancestors)
        focused, title = focused_window(windows or (), seat.ancestors, _number(seat))
        return None if focused is None else Focus(focused, title)


def _number(seat: TerminalProcess) -> int:
    """X11's id of its window, as most terminals tell their programs; or 0."""
    told = seat.variable("WINDOWID")
    return int(told) if told.isdigit() else 0


def _told(windows: int, done: bool) -> Raised | None:  # noqa: FBT001  # what the desktop says, as it comes
    if not done:
        return None
    if windows == 1:
        return Raised("Brought its window to the front")
    return Raised(f"Brought one of its terminal's {windows} windows to the front", exact=False)
