"""Whether there is a display."""

from __future__ import annotations

import os
import sys


def has_display() -> bool:
    """Whether programs that this process starts can show windows. Only Linux tells: X11 or Wayland, by a variable."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
