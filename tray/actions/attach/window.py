"""Terminals without an interface of their own: have the desktop raise the window of an ancestor of the process."""

from __future__ import annotations

import asyncio
import os
import sys

from tray.actions.attach.terminal import Focused, FocusState
from tray.system.open_windows import focused_window, list_windows
from tray.system.terminal_processes import TerminalProcess


class Window:
    """A TerminalFocuser and FocusReporter."""

    def detect(self, process: TerminalProcess) -> bool:
        """Return whether the process has ancestors that may own a window."""
        return bool(process.ancestors)

    async def bring_to_front(self, process: TerminalProcess) -> Focused | None:
        """Raise the window of the nearest ancestor that has one."""
        if sys.platform == "win32":
            from tray.system.win32_windows import raise_window  # noqa: PLC0415  # Windows only

            return _focused(*await asyncio.to_thread(raise_window, process.ancestors))
        if sys.platform == "darwin":
            from tray.system.mac_windows import raise_application  # noqa: PLC0415  # macOS only

            done = await raise_application(process.ancestors)
            return Focused("Brought the terminal to the front", exact=False) if done else None
        from tray.system.wayland_windows import focus  # noqa: PLC0415  # Linux only

        if await focus(process.ancestors):
            return _focused(1, done=True)
        if os.environ.get("DISPLAY"):
            from tray.system.x11_windows import raise_window as raise_x_window  # noqa: PLC0415  # Linux only

            found = await asyncio.to_thread(raise_x_window, process.ancestors, _window_id(process), process.title)
            return _focused(*found)
        return None

    async def focus_state(self, process: TerminalProcess) -> FocusState | None:
        """Return the focus of the window; except on X11, of any window of the same terminal program."""
        windows = await list_windows(process.ancestors)
        focused, title = focused_window(windows or (), process.ancestors, _window_id(process))
        return None if focused is None else FocusState(focused, title)


def _window_id(process: TerminalProcess) -> int:
    """Return the X11 window ID, which most terminals set in the environment, or 0."""
    window_id = process.variable("WINDOWID")
    return int(window_id) if window_id.isdigit() else 0


def _focused(windows: int, done: bool) -> Focused | None:  # noqa: FBT001  # the results of `raise_window`
    if not done:
        return None
    if windows == 1:
        return Focused("Brought the window to the front")
    return Focused(f"Brought one of the terminal's {windows} windows to the front", exact=False)
