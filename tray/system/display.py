"""Whether there is a display, and how much of a menu it shows."""

from __future__ import annotations

import os
import sys

MENU_LINES, GNOME_MENU_LINES = 28, 19  # rows of a menu that fit on a screen of 900 px, and in GNOME of 768 px


def has_display() -> bool:
    """Whether programs that this process starts can show windows.

    On Linux, a variable names the display of X11 or Wayland. On other systems it is unknown, so True.
    """
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def menu_lines() -> int:
    """Return how many rows of a menu fit on a small screen without scrolling.

    The rows of GNOME's own menus are 36 px high, those of other desktops 20 to 30 px.
    """
    is_gnome = "GNOME" in os.environ.get("XDG_CURRENT_DESKTOP", "").split(":")
    return GNOME_MENU_LINES if is_gnome else MENU_LINES
