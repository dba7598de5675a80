"""Whether there is a display."""

from __future__ import annotations

import os
import sys


def has_display() -> bool:
    """Whether programs that this process starts can show windows.

    On Linux, a variable names the display of X11 or Wayland. On other systems it is unknown, so True.
    """
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
