"""Tell real Windows from Wine, which lacks parts of it."""

from __future__ import annotations

import ctypes
import sys

import pytest

ON_WINDOWS = sys.platform == "win32"


def _is_wine() -> bool:
    """Return whether Wine runs this process: its ntdll exports a function that Windows does not have."""
    if sys.platform != "win32":
        return False
    return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


IS_WINE = _is_wine()


def open_wine_desktop() -> None:
    """Open the desktop of Wine, which a process without windows lacks.

    Else the first process that needs it starts it, and it keeps the pipes of that process open.
    """
    if sys.platform == "win32" and IS_WINE:
        ctypes.WinDLL("user32").GetDesktopWindow()


def needs_real_windows(reason: str) -> pytest.MarkDecorator:
    """Return a mark that skips a test under Wine; `reason` says what Wine lacks."""
    return pytest.mark.skipif(IS_WINE, reason=f"Wine: {reason}")


only_windows = pytest.mark.skipif(not ON_WINDOWS, reason="about Windows")
only_wine = pytest.mark.skipif(not IS_WINE, reason="changes the registry of the user, so only in a Wine prefix")
