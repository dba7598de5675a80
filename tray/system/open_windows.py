"""List the windows on the desktop and find the one with keyboard focus."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

from tray.system.open_window import OpenWindow


async def list_windows(owners: Sequence[int]) -> list[OpenWindow] | None:
    """Return the windows of these processes and at least the focused window; None if the desktop does not list them."""
    if sys.platform == "win32":
        from tray.system.win32_windows import list_windows as list_win32_windows  # noqa: PLC0415  # Windows only

        return await asyncio.to_thread(list_win32_windows)
    if sys.platform == "darwin":
        from tray.system.mac_windows import list_windows as list_macos_windows  # noqa: PLC0415  # macOS only

        return await list_macos_windows()
    from tray.system.wayland_windows import list_windows as list_wayland_windows  # noqa: PLC0415  # Linux only

    found = await list_wayland_windows(owners)
    if found is None and os.environ.get("DISPLAY"):
        from tray.system.x11_windows import list_windows as list_x11_windows  # noqa: PLC0415  # Linux only

        return await asyncio.to_thread(list_x11_windows)
    return found


def focused_window(windows: Sequence[OpenWindow], owners: Sequence[int], number: int = 0) -> tuple[bool | None, str]:
    """Return whether the window of these processes has keyboard focus, and its title; (None, "") if they have none.

    `owners` are the pids of a process and its ancestors, nearest first. Only windows of the nearest owner with a window
    count, because ancestors further up (a file manager, a panel) have only started the terminal. If it has several,
    the window with this X11 number is chosen.
    """
    nearest = next((owner for owner in owners if any(window.pid == owner for window in windows)), None)
    candidates = [window for window in windows if window.pid == nearest]
    if not candidates:
        return None, ""
    candidates = [window for window in candidates if number and window.number == number] or candidates
    focused = next((window for window in candidates if window.focused), None)
    return focused is not None, focused.title if focused is not None else ""
