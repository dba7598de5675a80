"""Stop in time when Windows ends the program: at logoff and shutdown, or when its console window is closed.

Python has no signal for these. Windows ends the program as soon as the message or event is handled, so the handlers
return when the program has stopped.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable

from tray.system.paths import TITLE

log = logging.getLogger(__name__)

STOP_TIMEOUT = 4.0  # s; Windows ends a program that takes five
WINDOW_CLASS = "OpenCodeTraySessionEnd"

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _WM_QUERYENDSESSION, _WM_ENDSESSION = 0x0011, 0x0016
    _WS_POPUP = 0x80000000
    _CTRL_CLOSE_EVENT, _CTRL_SHUTDOWN_EVENT = 2, 6  # not CTRL_LOGOFF_EVENT: services get it when any user logs off
    _LRESULT = ctypes.c_ssize_t
    _WindowProcedure = ctypes.WINFUNCTYPE(_LRESULT, wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM)
    _ConsoleHandler = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)

    class _WindowClass(ctypes.Structure):
        """WNDCLASSW."""

        _fields_ = (
            ("style", wintypes.UINT),
            ("procedure", _WindowProcedure),
            ("class_extra", ctypes.c_int),
            ("window_extra", ctypes.c_int),
            ("instance", wintypes.HINSTANCE),
            ("icon", wintypes.HANDLE),
            ("cursor", wintypes.HANDLE),
            ("background", wintypes.HANDLE),
            ("menu_name", wintypes.LPCWSTR),
            ("name", wintypes.LPCWSTR),
        )

    # Libraries of our own: the declarations of pystray's are for pystray.
    _user32 = ctypes.WinDLL("user32", use_last_error=True)
    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _user32.DefWindowProcW.argtypes = [wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM]
    _user32.DefWindowProcW.restype = _LRESULT
    _user32.RegisterClassW.argtypes = [ctypes.POINTER(_WindowClass)]
    _user32.CreateWindowExW.argtypes = [
        wintypes.DWORD, wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD,
        ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int,
        wintypes.HWND, wintypes.HMENU, wintypes.HINSTANCE, wintypes.LPVOID,
    ]  # fmt: skip
    _user32.CreateWindowExW.restype = wintypes.HWND
    _user32.GetMessageW.argtypes = [ctypes.POINTER(wintypes.MSG), wintypes.HWND, wintypes.UINT, wintypes.UINT]
    _user32.DispatchMessageW.argtypes = [ctypes.POINTER(wintypes.MSG)]
    _kernel32.SetConsoleCtrlHandler.argtypes = [_ConsoleHandler, wintypes.BOOL]
    _kept: list[object] = []  # what Windows calls

    def stop_with_console(stop: Callable[[], object]) -> None:
        """Call `stop`, on another thread, when the console is closed. It returns once the program may be ended."""

        def on_event(event: int) -> bool:
            if event not in (_CTRL_CLOSE_EVENT, _CTRL_SHUTDOWN_EVENT):
                return False
            stop()
            return True

        handler = _ConsoleHandler(on_event)
        _kept.append(handler)
        _kernel32.SetConsoleCtrlHandler(handler, 1)

    def stop_with_session(stop: Callable[[], object]) -> None:
        """Call `stop`, on another thread, at logoff and shutdown. It returns once the program may be ended.

        A program with windows gets no event of the console for that.
        """

        def on_message(window: int, message: int, first: int, second: int) -> int:
            if message == _WM_QUERYENDSESSION:
                return 1
            if message == _WM_ENDSESSION:
                if first:  # 0: another program has refused the end
                    stop()
                return 0
            return int(_user32.DefWindowProcW(window, message, first, second))

        procedure = _WindowProcedure(on_message)
        _kept.append(procedure)
        threading.Thread(target=_handle_messages, args=(procedure,), name="session end", daemon=True).start()

    def _handle_messages(procedure: object) -> None:
        """Open a hidden window and handle its messages."""
        window_class = _WindowClass(procedure=procedure, name=WINDOW_CLASS)
        _user32.RegisterClassW(ctypes.byref(window_class))
        # Its title is shown if the end takes long. A message-only window would get no notice.
        window = _user32.CreateWindowExW(0, WINDOW_CLASS, TITLE, _WS_POPUP, 0, 0, 0, 0, None, None, None, None)
        if not window:
            log.info("the state is not saved at the end of the session: %s", ctypes.WinError(ctypes.get_last_error()))
            return
        message = wintypes.MSG()
        while _user32.GetMessageW(ctypes.byref(message), None, 0, 0) > 0:
            _user32.DispatchMessageW(ctypes.byref(message))

else:

    def stop_with_console(stop: Callable[[], object]) -> None:
        """Do nothing: other systems send signals."""

    def stop_with_session(stop: Callable[[], object]) -> None:
        """Do nothing: other systems send signals."""
