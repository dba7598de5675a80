"""Windows: list and raise the windows of processes. Windows Terminal has no API to select a tab."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import takewhile

import psutil

from tray.system.open_window import OpenWindow

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _user32 = ctypes.WinDLL("user32")
    _Visit = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)
    _user32.EnumWindows.argtypes = [_Visit, wintypes.LPARAM]
    _user32.GetWindowThreadProcessId.argtypes = [wintypes.HWND, ctypes.POINTER(wintypes.DWORD)]
    for _name in ("IsWindowVisible", "IsIconic", "SetForegroundWindow"):
        getattr(_user32, _name).argtypes = [wintypes.HWND]
    _user32.ShowWindow.argtypes = [wintypes.HWND, ctypes.c_int]
    _user32.GetForegroundWindow.restype = wintypes.HWND

    _RESTORE, _ALT, _KEY_UP = 9, 0x12, 2

    def _visible_windows() -> dict[int, list[int]]:
        """Return the visible windows by pid, the topmost first."""
        visible: dict[int, list[int]] = {}

        def visit(window: int, _: int) -> bool:
            pid = wintypes.DWORD()
            _user32.GetWindowThreadProcessId(window, ctypes.byref(pid))
            if _user32.IsWindowVisible(window):
                visible.setdefault(pid.value, []).append(window)
            return True

        _user32.EnumWindows(_Visit(visit), 0)
        return visible

    def _is_desktop(pid: int) -> bool:
        try:
            return psutil.Process(pid).name().lower() == "explorer.exe"
        except psutil.Error:
            return False

    def raise_window(owners: Sequence[int]) -> tuple[int, bool]:
        """Raise the topmost window of the first of these processes that has one.

        Returns the number of its windows, and whether one is in the foreground now. `owners` from explorer.exe onwards
        are ignored: they belong to the desktop.
        """
        visible = _visible_windows()
        terminals = takewhile(lambda pid: not _is_desktop(pid), owners)
        found = next((visible[pid] for pid in terminals if pid in visible), [])
        if not found:
            return 0, False
        if _user32.IsIconic(found[0]):
            _user32.ShowWindow(found[0], _RESTORE)
        if not _user32.SetForegroundWindow(found[0]):
            _user32.keybd_event(_ALT, 0, 0, 0)  # a key press lifts the foreground lock
            _user32.keybd_event(_ALT, 0, _KEY_UP, 0)
            _user32.SetForegroundWindow(found[0])
        return len(found), _user32.GetForegroundWindow() == found[0]

    def list_windows() -> list[OpenWindow] | None:
        """Return the visible windows, without those of explorer.exe, an ancestor of most programs."""
        front = _user32.GetForegroundWindow()
        return [
            OpenWindow(pid, focused=window == front)
            for pid, windows in _visible_windows().items()
            if not _is_desktop(pid)
            for window in windows
        ]

else:

    def raise_window(owners: Sequence[int]) -> tuple[int, bool]:  # noqa: ARG001
        """Do nothing on other platforms."""
        return 0, False

    def list_windows() -> list[OpenWindow] | None:
        """Do nothing on other platforms."""
        return None
