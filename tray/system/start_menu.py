"""The tray's shortcut in the Start menu of Windows: it starts the tray again after *Quit*.

Written through the COM interfaces of the shell, which Microsoft's page "Shell Links" describes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tray.system.entry_file import EntryFile
from tray.system.paths import TITLE
from tray.system.resources import windows_icon

FOLDER = r"Microsoft\Windows\Start Menu\Programs"  # inside %APPDATA%
APP_ID = TITLE  # the AppUserModelID that desktop-notifier gives to our notifications: the name of the program

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _ole32 = ctypes.OleDLL("ole32")  # its functions raise OSError
    _APARTMENT, _IN_PROCESS = 2, 1  # COINIT_APARTMENTTHREADED, CLSCTX_INPROC_SERVER
    _RAW_PATH = 4  # SLGP_RAWPATH
    _VT_LPWSTR = 31
    _PATH_LENGTH, _ARGUMENTS_LENGTH = 260, 4096  # characters, with the final NUL

    class _Guid(ctypes.Structure):
        """GUID."""

        _fields_ = (("bytes", ctypes.c_ubyte * 16),)

    class _PropertyKey(ctypes.Structure):
        """PROPERTYKEY."""

        _fields_ = (("set", _Guid), ("number", wintypes.DWORD))

    class _Text(ctypes.Structure):
        """PROPVARIANT with a text."""

        _fields_ = (
            ("kind", wintypes.USHORT),
            ("reserved", wintypes.USHORT * 3),
            ("text", ctypes.c_wchar_p),
            ("unused", ctypes.c_void_p),
        )

    def _guid(text: str) -> _Guid:
        guid = _Guid()
        _ole32.CLSIDFromString(f"{{{text}}}", ctypes.byref(guid))
        return guid

    def _call(this: ctypes.c_void_p, number: int, *arguments: object) -> None:
        """Call a method by its number in the table of a COM object. Raises OSError."""
        kinds = [type(argument) for argument in arguments]
        ctypes.WINFUNCTYPE(ctypes.HRESULT, *kinds)(number, "method")(this, *arguments)  # type: ignore[arg-type]

    def _release(this: ctypes.c_void_p) -> None:
        ctypes.WINFUNCTYPE(wintypes.ULONG)(2, "Release")(this)

    @contextmanager
    def _new_link() -> Iterator[ctypes.c_void_p]:
        """Provide an empty shortcut: an IShellLinkW. Raises OSError."""
        link = ctypes.c_void_p()
        _ole32.CoInitializeEx(None, _APARTMENT)
        try:
            kind, interface = (
                _guid("00021401-0000-0000-C000-000000000046"),
                _guid("000214F9-0000-0000-C000-000000000046"),
            )
            _ole32.CoCreateInstance(ctypes.byref(kind), None, _IN_PROCESS, ctypes.byref(interface), ctypes.byref(link))
            try:
                yield link
            finally:
                _release(link)
        finally:
            _ole32.CoUninitialize()

    @contextmanager
    def _as(this: ctypes.c_void_p, interface: str) -> Iterator[ctypes.c_void_p]:
        """Provide another interface of a COM object. Raises OSError."""
        found = ctypes.c_void_p()
        _call(this, 0, ctypes.pointer(_guid(interface)), ctypes.pointer(found))
        try:
            yield found
        finally:
            _release(found)

    _IPersistFile = "0000010B-0000-0000-C000-000000000046"
    _IPropertyStore = "886D8EEB-8CF2-4446-8D02-CDBA1DBDCF99"

    def _set_app_id(link: ctypes.c_void_p) -> None:
        key = _PropertyKey(_guid("9F4C2855-9F79-4B39-A8D0-E1D42DE1D5F3"), 5)  # PKEY_AppUserModel_ID
        with _as(link, _IPropertyStore) as properties:
            _call(properties, 6, ctypes.pointer(key), ctypes.pointer(_Text(kind=_VT_LPWSTR, text=APP_ID)))
            _call(properties, 7)

    class Shortcut(EntryFile):
        """The shortcut of this user."""

        is_for_all = False

        def __init__(self, folder: Path) -> None:
            super().__init__(folder / f"{TITLE}.lnk")

        def read(self) -> tuple[str, str] | None:
            """Return the program and its arguments as one text; None if there is no shortcut. Raises OSError."""
            if not self.path.exists():
                return None
            program = ctypes.create_unicode_buffer(_PATH_LENGTH)
            arguments = ctypes.create_unicode_buffer(_ARGUMENTS_LENGTH)
            with self._loaded() as link:
                _call(link, 3, program, ctypes.c_int(_PATH_LENGTH), ctypes.c_void_p(), wintypes.DWORD(_RAW_PATH))
                _call(link, 10, arguments, ctypes.c_int(_ARGUMENTS_LENGTH))
            return program.value, arguments.value

        def icon(self) -> str:
            """Return the file with the picture of the shortcut. Raises OSError."""
            path = ctypes.create_unicode_buffer(_PATH_LENGTH)
            with self._loaded() as link:
                _call(link, 16, path, ctypes.c_int(_PATH_LENGTH), ctypes.pointer(ctypes.c_int()))
            return path.value

        def write(self, command: Sequence[str]) -> bool:
            """Write the shortcut; return whether it has changed. Raises OSError."""
            program, arguments = command[0], subprocess.list2cmdline(command[1:])
            with suppress(OSError):  # a file that is no shortcut is replaced
                if self.read() == (program, arguments):
                    return False
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _new_link() as link:
                _call(link, 20, ctypes.c_wchar_p(program))
                _call(link, 11, ctypes.c_wchar_p(arguments))
                _call(link, 17, ctypes.c_wchar_p(str(windows_icon())), ctypes.c_int(0))
                _call(link, 7, ctypes.c_wchar_p("Shows the coding-agent sessions that need you"))
                with suppress(OSError):  # an older shell has no such property
                    _set_app_id(link)
                with _as(link, _IPersistFile) as file:
                    _call(file, 6, ctypes.c_wchar_p(str(self.path)), wintypes.BOOL(1))
            return True

        @contextmanager
        def _loaded(self) -> Iterator[ctypes.c_void_p]:
            """Provide the shortcut as it is in the file. Raises OSError."""
            with _new_link() as link:
                with _as(link, _IPersistFile) as file:
                    _call(file, 5, ctypes.c_wchar_p(str(self.path)), wintypes.DWORD(0))
                yield link
