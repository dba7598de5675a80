"""The icon in the notification area of Windows."""

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
from tray.surfaces.toasts import Balloon

# UTF-16 units, without the final NUL, of NOTIFYICONDATAW: szTip, szInfoTitle and szInfo
TOOLTIP_LENGTH, BALLOON_TITLE_LENGTH, BALLOON_TEXT_LENGTH = 127, 63, 255
SMALL_ICON_WIDTH = 49  # GetSystemMetrics: SM_CXSMICON
PER_MONITOR_V2 = -4  # DPI_AWARENESS_CONTEXT_PER_MONITOR_AWARE_V2
WM_QUERYENDSESSION = 0x0011
WM_TIMER = 0x0113
RETRY_TIMER = 1  # timer id, unique in our window
NIN_BALLOONUSERCLICK = 0x0400 + 5  # shellapi.h: WM_USER + 5

_Base: Any = pystray_module("_win32").Icon
_api = import_module("pystray._util.win32")
_util = import_module("pystray._util")
_WM_POSTED = _api.WM_USER + 20  # pystray uses 10 and 11


class Icon(ToolkitIcon, _Base):  # type: ignore[misc]  # pystray ships no types
    """pystray's icon, but sharp, and with a menu that is not replaced while it is open."""

    _icon_handle: Any

    def __init__(self, app_id: str, view: TrayView, on_command: Callable[[Command], None]) -> None:
        super().__init__(app_id, view, on_command)
        self._menu_handle = None
        self._menu_open = False
        self._message_handlers[_WM_POSTED] = self._on_posted
        self._message_handlers[WM_TIMER] = self._on_timer
        # pystray answers 0 to what it does not know, which would refuse the logoff (system/session_end.py stops us).
        self._message_handlers[WM_QUERYENDSESSION] = lambda *_: 1

    def wake(self) -> None:
        """Post a message to our window, whose handler calls `run_posted`."""
        if self._hwnd:
            _api.PostMessage(self._hwnd, _WM_POSTED, 0, 0)

    def retry_in(self, seconds: float) -> None:
        """Start a timer of our window that calls `retry`."""
        _api.windll.user32.SetTimer(self._hwnd, RETRY_TIMER, int(seconds * 1000), None)

    def label_text(self, label: str) -> str:
        """Double `&`: a single one underlines the next letter."""
        return label.replace("&", "&&")

    def tooltip_text(self, tooltip: str) -> str:
        """Shorten the tooltip to what Windows accepts."""
        return _cut(tooltip.replace("&", "&&"), TOOLTIP_LENGTH)

    def send_balloon(self, balloon: Balloon | None) -> None:
        """Show this balloon, which Windows 10 and later show as a notification without buttons; None removes it."""
        title, text = (balloon.title, balloon.text) if balloon is not None else ("", "")
        self._message(
            _api.NIM_MODIFY,
            _api.NIF_INFO,
            szInfoTitle=_cut(title, BALLOON_TITLE_LENGTH),
            szInfo=_cut(text or title, BALLOON_TEXT_LENGTH),  # an empty text removes the balloon
        )

    def _run(self) -> None:
        with suppress(AttributeError, OSError):  # before Windows 10 1703
            _api.windll.user32.SetProcessDpiAwarenessContext(ctypes.c_void_p(PER_MONITOR_V2))
        super()._run()

    def _on_posted(self, *_: int) -> None:
        self.run_posted()

    def _on_timer(self, number: int, *_: int) -> None:
        _api.windll.user32.KillTimer(self._hwnd, number)  # it is periodic
        self.retry()

    def _on_taskbarcreated(self, *_: int) -> None:
        """Explorer was restarted, perhaps before it had accepted the icon, and has lost the balloon."""
        self._shown_balloon = None
        self.show_again()

    def _on_display_change(self, *_: int) -> None:
        """The resolution has changed, which may require another icon size."""
        self.show_again()

    def _show(self) -> None:
        # Remove it first, as an icon that exists cannot be added: a call that timed out may have succeeded, and
        # TaskbarCreated is also sent when the DPI of the primary display changes (Microsoft's page "The Taskbar").
        self._hide()
        super()._show()

    def _update_icon(self) -> None:
        self._release_icon()
        self._assert_icon_handle()
        self._icon_valid = True
        if self.visible:  # pystray would modify an icon that has not been added yet
            self._message(_api.NIM_MODIFY, _api.NIF_ICON, hIcon=self._icon_handle)

    def _message(self, code: int, flags: int, **fields: Any) -> None:
        """Call Shell_NotifyIcon. Raises OSError if it fails, which pystray ignores."""
        size = ctypes.sizeof(_api.NOTIFYICONDATAW)
        data = _api.NOTIFYICONDATAW(cbSize=size, hWnd=self._hwnd, uFlags=flags, **fields)
        if not _api.Shell_NotifyIcon(code, data) and code != _api.NIM_DELETE:
            raise OSError("Shell_NotifyIcon failed")

    def _update_menu(self) -> None:
        """Build the first menu only; later ones are built when the menu is opened, as a new menu closes an open one."""
        if self._menu_handle is None:
            super()._update_menu()

    def _on_notify(self, wparam: int, lparam: int) -> None:
        if lparam == NIN_BALLOONUSERCLICK:
            if self._balloon is not None and self._balloon.click is not None:
                self._on_command(self._balloon.click)
        elif lparam != _api.WM_RBUTTONUP:
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


def _cut(text: str, units: int) -> str:
    """Return the beginning of a text that has at most this number of UTF-16 units."""
    return text.encode("utf-16-le", "replace")[: 2 * units].decode("utf-16-le", "ignore")
