"""Show a text in a window of its own, before there is an icon."""

from __future__ import annotations

import sys

from tray.system.paths import TITLE

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _MB_ICONERROR, _MB_SETFOREGROUND = 0x10, 0x10000
    _user32 = ctypes.WinDLL("user32")
    _user32.MessageBoxW.argtypes = [wintypes.HWND, wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.UINT]

    def show_error(text: str) -> None:
        """Show the text until the user closes the window."""
        _user32.MessageBoxW(None, text, TITLE, _MB_ICONERROR | _MB_SETFOREGROUND)

else:

    def show_error(text: str) -> None:
        """Do nothing: other systems start the tray with stderr."""
