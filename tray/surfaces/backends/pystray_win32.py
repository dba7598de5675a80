"""The icon in Windows' notification area."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from tray.core.commands import Command
from tray.surfaces.backends.pystray_module import pystray_module
from tray.surfaces.backends.pystray_toolkit import ToolkitIcon
from tray.surfaces.icon import draw
from tray.surfaces.menu.view import TrayView

TOOLTIP_LENGTH = 127  # UTF-16 units: NOTIFYICONDATAW.szTip holds 128 with the final NUL
SMALL_ICON_WIDTH = 49  # GetSystemMetrics: SM_CXSMICON
PER_MONITOR_V2 = -4  # DPI_AWARENESS_CONTEXT_PER_MONITOR_AWARE_V2
WM_TIMER = 0x0113
RETRY_TIMER = 1  # its number among our window's

_Base: Any = pystray_module("_win32").Icon
_api = import_module("pystray._util.win32")
_util = import_module("pystray._util")
_STEPS = _api.WM_USER + 20  # ours; pystray's own are 10 and 11


class Icon(ToolkitIcon, _Base):  # type: ignore[misc]  # pystray ships no types
    """pystray's icon, sharp, with a menu that never closes under the pointer."""

    _icon_handle: Any

    def __init__(self, app_id: str, view: TrayView, choose: Callable[[Command], None]) -> None:
        super().__init__(app_id, view, choose)
        self._menu_handle = None
        self._menu_open = False
        self._message_handlers[_STEPS] = self._on_steps
        self._message_handlers[WM_TIMER] = self._on_timer

    def wake(self) -> None:
        """Post a message to our own window."""
        if self._hwnd:
            _api.PostMessage(self._hwnd, _STEPS, 0, 0)

    def retry_in(self, seconds: float) -> None:
        """Have `retry` called by a timer of our own window."""
        _api.windll.user32.SetTimer(self._hwnd, RETRY_TIMER, int(seconds * 1000), None)

    def label_text(self, label: str) -> str:
        """A lone `&` would underline the next letter."""
        return label.replace("&", "&&")

    def tooltip_text(self, tooltip: str) -> str:
        """What fits; Windows raises for more."""
        units = tooltip.replace("&", "&&").encode("utf-16-le", "replace")[: 2 * TOOLTIP_LENGTH]
        return units.decode("utf-16-le", "ignore")

    def _run(self) -> None:
        with suppress(AttributeError, OSError):  # before Windows 10 1703
            _api.windll.user32.SetProcessDpiAwarenessContext(ctypes.c_void_p(PER_MONITOR_V2))
        super()._run()

    def _on_steps(self, *_: int) -> None:
        self.drain()

    def _on_timer(self, number: int, *_: int) -> None:
        _api.windll.user32.KillTimer(self._hwnd, number)  # it would go on and on
        self.retry()

    def _on_taskbarcreated(self, *_: int) -> None:
        """Explorer began anew, perhaps before the icon was ever taken."""
        self.show_anew()

    def _on_display_change(self, *_: int) -> None:
        """Another resolution, which may want another size of icon."""
        self.show_anew()

    def _show(self) -> None:
        # What is there already cannot be added: a call that timed out may have been carried out, and TaskbarCreated
        # comes with a new DPI of the primary display, too (Microsoft's page "The Taskbar").
        self._hide()
        super()._show()

    def _update_icon(self) -> None:
        self._release_icon()
        self._assert_icon_handle()
        self._icon_valid = True
        if self.visible:  # pystray would change an icon that was not added yet
            self._message(_api.NIM_MODIFY, _api.NIF_ICON, hIcon=self._icon_handle)

    def _message(self, code: int, flags: int, **told: Any) -> None:
        """Tell Explorer. Raises OSError for what it does not take, which pystray would not notice."""
        size = ctypes.sizeof(_api.NOTIFYICONDATAW)
        told = _api.NOTIFYICONDATAW(cbSize=size, hWnd=self._hwnd, uFlags=flags, **told)
        if not _api.Shell_NotifyIcon(code, told) and code != _api.NIM_DELETE:
            raise OSError("Explorer did not take it (Shell_NotifyIcon)")

    def _update_menu(self) -> None:
        """Wait for the next time it is opened: a new menu would close an open one."""
        if self._menu_handle is None:
            super()._update_menu()

    def _on_notify(self, wparam: int, lparam: int) -> None:
        if lparam != _api.WM_RBUTTONUP:
            super()._on_notify(wparam, lparam)
        elif not self._menu_open:
            self._menu_open = True
            try:
                super()._update_menu()
                super()._on_notify(wparam, lparam)
            finally:
                self._menu_open = False

    def _assert_icon_handle(self) -> None:
        if self._icon_handle:
            return
        size = _api.windll.user32.GetSystemMetrics(SMALL_ICON_WIDTH)
        with _util.serialized_image(draw(self._view.icon, size), "ICO") as path:
            self._icon_handle = _api.LoadImage(None, path, _api.IMAGE_ICON, size, size, _api.LR_LOADFROMFILE)
