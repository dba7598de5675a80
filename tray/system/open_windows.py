"""The windows on the desktop, and which of them has the keyboard, as the desktop itself tells."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

from tray.system.open_window import OpenWindow


async def open_windows(owners: Sequence[int]) -> list[OpenWindow] | None:
    """The windows of these processes, and at least the one that has the keyboard; None where the desktop tells none."""
    if sys.platform == "win32":
        from tray.system.win32_windows import open_windows as of_windows  # noqa: PLC0415  # Windows only

        return await asyncio.to_thread(of_windows)
    if sys.platform == "darwin":
        from tray.system.mac_windows import open_windows as of_macos  # noqa: PLC0415  # macOS only

        return await of_macos()
    from tray.system.wayland_windows import open_windows as of_wayland  # noqa: PLC0415  # Linux only

    found = await of_wayland(owners)
    if found is None and os.environ.get("DISPLAY"):
        from tray.system.x11_windows import open_windows as of_x11  # noqa: PLC0415  # Linux only

        return await asyncio.to_thread(of_x11)
    return found


def focused_window(windows: Sequence[OpenWindow], owners: Sequence[int], number: int = 0) -> tuple[bool | None, str]:
    """Whether the window that these processes sit in has the keyboard, and its title.

    That is a window of the first of them that has any, and of several the one with this number: a program further up
    (a file manager, a panel) has only started the terminal. None where none of them has a window.
    """
    nearest = next((owner for owner in owners if any(window.pid == owner for window in windows)), None)
    theirs = [window for window in windows if window.pid == nearest]
    if not theirs:
        return None, ""
    own = [window for window in theirs if number and window.number == number] or theirs
    focused = next((window for window in own if window.focused), None)
    return focused is not None, focused.title if focused is not None else ""
