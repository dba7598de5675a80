"""A fake of the part of Windows that a notification area icon uses: windows, messages, menus, timers and Explorer.

It replaces user32, kernel32 and shell32 below pystray's own declarations (`pystray._util.win32`).
"""

# ruff: noqa: N802  # Windows' own names

from __future__ import annotations

import ctypes
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

OURS = "tray.surfaces.backends.pystray_win32"
PYSTRAYS = ("pystray._util.win32", "pystray._win32")
TASKBAR_CREATED = 0xC000  # the first number that RegisterWindowMessage gives
WM_TIMER, WM_NOTIFY, WM_RBUTTONUP, WM_QUIT = 0x113, 0x40B, 0x205, 0x12  # WM_NOTIFY is pystray's
NIM_ADD, NIM_MODIFY, NIM_DELETE = range(3)
NIF_ICON, NIF_TIP, NIF_INFO = 2, 4, 16
NIN_BALLOONUSERCLICK = 0x405
MFT_SEPARATOR = 0x800
DEADLINE = 10.0  # s
SUCCESS = 1


class Shown(msgspec.Struct):
    """An icon as Explorer shows it."""

    picture: bytes = b""
    tip: str = ""
    balloon: tuple[str, str] = ("", "")  # title and text


class Row(msgspec.Struct):
    """A row of a menu."""

    number: int
    text: str
    menu: int | None


class _Function:
    """A function of a library with the attributes that ctypes supports."""

    errcheck: Callable[[Any, Any, Any], Any] | None = None

    def __init__(self, called: Callable[..., Any]) -> None:
        self._called = called

    def __call__(self, *arguments: Any) -> Any:
        result = self._called(*arguments)
        return self.errcheck(result, self, arguments) if self.errcheck else result


class Windows:
    """The windows of a program, and an Explorer that may refuse icons."""

    def __init__(self) -> None:
        self.icons: dict[int, Shown] = {}  # by window: what the notification area shows
        self.refuses = False  # whether Explorer refuses all icons
        self.timers: dict[tuple[int, int], int] = {}  # by window and number: ms
        self.open_menu: list[Row] | None = None
        self._pictures: dict[int, bytes] = {}
        self._menus: dict[int, list[Row]] = {}
        self._handles = count(1)
        self._procedures: list[Callable[..., int]] = []
        self._windows: list[int] = []
        self._posted: deque[tuple[int, int, int, int]] = deque()
        self._changed = threading.Condition()
        self._idle = False
        self._picked: str | None = None

    # ------------------------------------------------------------------ what a test does

    @property
    def icon(self) -> Shown | None:
        """The only icon in the notification area."""
        return next(iter(self.icons.values()), None)

    def settle(self) -> None:
        """Wait until all messages are handled."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._idle and not self._posted, DEADLINE)

    def click_right(self) -> list[Row]:
        """Open the menu; return its visible rows."""
        self.PostMessageW(self._windows[0], WM_NOTIFY, 0, WM_RBUTTONUP)
        with self._changed:
            assert self._changed.wait_for(lambda: self.open_menu is not None, DEADLINE)
        return list(self.open_menu or ())

    def pick(self, text: str) -> None:
        """Click a row of the open menu."""
        with self._changed:
            self._picked = text
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self.open_menu is None, DEADLINE)
        self.settle()

    def ring(self) -> int:
        """Fire the only timer; return its interval in ms."""
        ((window, number), milliseconds) = next(iter(self.timers.items()))
        self.PostMessageW(window, WM_TIMER, number, 0)
        self.settle()
        return milliseconds

    def click_balloon(self) -> None:
        """Click the text that is shown beside the icon."""
        self.PostMessageW(self._windows[0], WM_NOTIFY, 0, NIN_BALLOONUSERCLICK)
        self.settle()

    def restart_explorer(self) -> None:
        """Restart Explorer, which loses its icons."""
        self.icons.clear()
        self.PostMessageW(self._windows[0], TASKBAR_CREATED, 0, 0)
        self.settle()

    def ask(self, message: int) -> int:
        """Send a message to the icon's window, and return the answer."""
        return self._dispatch((self._windows[0], message, 0, 0))

    # ------------------------------------------------------------------ user32, kernel32, shell32

    def Shell_NotifyIconW(self, code: int, data: Any) -> int:
        known = data.hWnd in self.icons
        if self.refuses or known == (code == NIM_ADD):
            return 0
        if code == NIM_DELETE:
            del self.icons[data.hWnd]
            return SUCCESS
        shown = self.icons.setdefault(data.hWnd, Shown())
        if data.uFlags & NIF_ICON:
            shown.picture = self._pictures[data.hIcon]
        if data.uFlags & NIF_TIP:
            shown.tip = data.szTip
        if data.uFlags & NIF_INFO:
            shown.balloon = (data.szInfoTitle, data.szInfo)
        return SUCCESS

    def LoadImageW(self, instance: object, path: str, *_: object) -> int:
        handle = next(self._handles)
        self._pictures[handle] = Path(path).read_bytes()
        return handle

    def DestroyIcon(self, handle: int) -> int:
        return SUCCESS

    def RegisterClassExW(self, window_class: Any) -> int:
        self._procedures.append(window_class.lpfnWndProc)
        return len(self._procedures)

    def CreateWindowExW(self, *_: object) -> int:
        self._windows.append(next(self._handles))
        return self._windows[-1]

    def PostMessageW(self, window: int, message: int, first: int, second: int) -> int:
        with self._changed:
            self._posted.append((window, message, first, second))
            self._changed.notify_all()
        return SUCCESS

    def PostQuitMessage(self, code: int) -> None:
        self.PostMessageW(0, WM_QUIT, 0, 0)

    def GetMessageW(self, message: Any, *_: object) -> int:
        window, number, first, second = self._next(lambda: False) or (0, WM_QUIT, 0, 0)
        taken = message._obj  # noqa: SLF001  # what byref() holds, which has no public name
        taken.hWnd, taken.message, taken.wParam, taken.lParam = window, number, first, second
        return int(number != WM_QUIT)

    def DispatchMessageW(self, message: Any) -> int:
        taken = message._obj  # noqa: SLF001
        return self._dispatch((taken.hWnd, taken.message, taken.wParam, taken.lParam))

    def CreatePopupMenu(self) -> int:
        handle = next(self._handles)
        self._menus[handle] = []
        return handle

    def InsertMenuItemW(self, menu: int, position: int, by_position: bool, item: Any) -> int:
        info = item._obj  # noqa: SLF001
        text = "" if info.fType & MFT_SEPARATOR else info.dwTypeData
        self._menus[menu].insert(position, Row(info.wID, text, info.hSubMenu))
        return SUCCESS

    def DestroyMenu(self, menu: int) -> int:
        return int(self._menus.pop(menu, None) is not None)

    def TrackPopupMenuEx(self, menu: int, *_: object) -> int:
        """Show the menu and handle messages until a row is clicked."""
        with self._changed:
            self.open_menu = self._menus[menu]
            self._changed.notify_all()
        while posted := self._next(lambda: self._picked is not None):
            self._dispatch(posted)
        number = next(row.number for row in self.open_menu if row.text == self._picked)
        with self._changed:
            self.open_menu = self._picked = None
            self._changed.notify_all()
        return number

    def SetTimer(self, window: int, number: int, milliseconds: int, function: object) -> int:
        self.timers[window, number] = milliseconds
        return SUCCESS

    def KillTimer(self, window: int, number: int) -> int:
        return int(self.timers.pop((window, number), None) is not None)

    def GetSystemMetrics(self, number: int) -> int:
        return 16

    def RegisterWindowMessageW(self, name: str) -> int:
        return TASKBAR_CREATED

    def GetModuleHandleW(self, name: object) -> int:
        return SUCCESS

    def __getattr__(self, name: str) -> Callable[..., int]:
        if not name[0].isupper():
            raise AttributeError(name)
        return lambda *_: SUCCESS  # functions that need no fake

    # ------------------------------------------------------------------ ctypes

    def library(self, name: str) -> Any:
        """Stands for `user32`, `kernel32` and `shell32`."""
        windows = self

        class Library:
            def __getattr__(self, name: str) -> _Function:
                function = _Function(getattr(windows, name))
                setattr(self, name, function)
                return function

        return Library()

    def _next(self, done: Callable[[], bool]) -> tuple[int, int, int, int] | None:
        with self._changed:
            self._idle = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._posted or done())
            self._idle = False
            return self._posted.popleft() if self._posted else None

    def _dispatch(self, posted: tuple[int, int, int, int]) -> int:
        return self._procedures[0](*posted)


@contextmanager
def notification_area() -> Iterator[tuple[Windows, Any]]:
    """Provide a fake notification area and our backend loaded with it; remove both afterwards."""
    windows = Windows()
    names = (OURS, *PYSTRAYS)
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    stand_ins = {
        "WinDLL": windows.library,
        "WINFUNCTYPE": ctypes.CFUNCTYPE,
        "HRESULT": ctypes.c_long,
        "WinError": lambda: OSError("it failed"),
    }
    originals = {name: getattr(ctypes, name, None) for name in stand_ins}
    ctypes.__dict__.update(stand_ins)
    try:
        yield windows, import_module(OURS)
    finally:
        for name, original in originals.items():
            if original is None:
                delattr(ctypes, name)
            else:
                setattr(ctypes, name, original)
        for name in names:
            if sys.modules.pop(name, None) is not None:
                package, _, module = name.rpartition(".")
                delattr(sys.modules[package], module)
        sys.modules.update(before)
