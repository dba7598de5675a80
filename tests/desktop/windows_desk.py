"""The tray on a Windows desktop: Wine's taskbar with a notification area, in one window that fills the X screen."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from desk import Colour, Desk

from tray_process import Home, windows_profile
from waiting import until

PREFIX = os.environ.get("WINE_TEST_PREFIX", "")  # set by packaging/wine.py
PYTHON, PYTHONW = "C:\\py\\python.exe", "C:\\py\\pythonw.exe"
DETACHED = "import subprocess,sys;subprocess.run(sys.argv[1:],creationflags=8)"  # DETACHED_PROCESS
ON_DESKTOP = """
import ctypes, sys
from ctypes import wintypes
user32 = ctypes.windll.user32
user32.OpenDesktopW.restype = wintypes.HANDLE
user32.SetThreadDesktop.argtypes = [wintypes.HANDLE]
user32.SendMessageW.argtypes = [wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPVOID]
desktop = user32.OpenDesktopW("tray", 0, False, 0x10000000)
assert desktop and user32.SetThreadDesktop(desktop)
"""
# Prints the texts of the visible windows of a class, and of the windows in them.
TEXTS = f"""{ON_DESKTOP}
texts = []

@ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)
def read(window, _):
    text = ctypes.create_unicode_buffer(512)
    user32.SendMessageW(window, 0x000D, 512, text)  # WM_GETTEXT
    texts.append(text.value)
    return True

@ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)
def look(window, _):
    name = ctypes.create_unicode_buffer(64)
    user32.GetClassNameW(wintypes.HWND(window), name, 64)
    if name.value == sys.argv[1] and user32.IsWindowVisible(wintypes.HWND(window)):
        read(window, 0)
        user32.EnumChildWindows(wintypes.HWND(window), read, 0)
    return True

user32.EnumWindows(look, 0)
sys.stdout.buffer.write("\\n".join(texts).encode())
"""
TOOLTIP, DIALOG = "tooltips_class32", "#32770"  # classes of windows
# What Windows does at logoff, for one process. Prints the answers of its windows, and whether a file exists then.
LOGOFF = f"""{ON_DESKTOP}
import os
windows = []

@ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)
def look(window, _):
    pid = wintypes.DWORD()
    user32.GetWindowThreadProcessId(wintypes.HWND(window), ctypes.byref(pid))
    if pid.value == int(sys.argv[1]):
        windows.append(window)
    return True

user32.EnumWindows(look, 0)
answers = [user32.SendMessageW(window, 0x0011, 0, None) for window in windows]  # WM_QUERYENDSESSION
for window in windows:
    user32.SendMessageW(window, 0x0016, 1, None)  # WM_ENDSESSION
print(set(answers), os.path.exists(sys.argv[2]))
"""


def windows_path(path: Path) -> str:
    """Return the path of a Linux file inside Wine, where Z: is the root folder."""
    return str(PureWindowsPath(f"Z:{path}"))


class WindowsHome(Home):
    """A private profile folder for Windows' Python under Wine, and the commands run in it."""

    on_windows = True

    def __init__(self, folder: Path, desk: Desk, program: Sequence[str]) -> None:
        super().__init__(folder, ("wine", *program))
        names = [name for name in self.environment if name.startswith("XDG_")]
        self.environment |= {
            **{name: windows_path(Path(self.environment[name])) for name in names},
            **windows_profile(windows_path(folder)),
            "USERPROFILE": windows_path(folder),
            "HOME": os.environ["HOME"],
            "DISPLAY": desk.display,
            "WINEDEBUG": "-all",
            "WINEDLLOVERRIDES": "mscoree=;mshtml=;winemenubuilder.exe=",
            "WINEPREFIX": PREFIX,
        }

    def wine(self, *words: str) -> str:
        """Run a Windows program and return its output."""
        done = subprocess.run(
            ["wine", *words],
            env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=60, check=False,
        )  # fmt: skip
        return done.stdout


class WindowsTray:
    """A tray that runs without a console on a Windows desktop, as after login: with pythonw.exe, or a bundle."""

    def __init__(
        self, desk: Desk, folder: Path, *,
        command: Sequence[str] = (PYTHON, "-m", "tray"), windowed: Sequence[str] = (PYTHONW, "-I", "-m", "tray"),
    ) -> None:  # fmt: skip
        """`command` is `opencode-tray` with a console, `windowed` the same without."""
        self.desk = desk
        self.home = WindowsHome(folder, desk, command)
        # The tray gets no standard streams, as after login; those of the program that starts it are pipes, as Windows'
        # Python does not start with files under Wine.
        self._explorer = subprocess.Popen(
            ["wine", "explorer", "/desktop=tray,1280x800", PYTHONW, "-c", DETACHED, *windowed, "run", *self._port],
            env=self.home.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    @property
    def _port(self) -> tuple[str, str]:
        return "--port", str(self.home.port)

    def wait_until_it_listens(self) -> None:
        until(self.endpoint.exists, "a tray that listens", 60)

    @property
    def endpoint(self) -> Path:
        """The file that exists while the tray runs."""
        return self.home.path / "data/opencode-tray/endpoint"

    def icon(self, colour: Colour) -> tuple[int, int]:
        """Move the pointer away, wait for an icon of this colour, and return its position."""
        self.desk.run("xdotool", "mousemove", "10", "300")
        return self.desk.wait_for_icon(colour)

    def tooltip(self, colour: Colour) -> str:
        """Point at the icon and return the text of the tooltip that appears."""
        x, y = self.icon(colour)
        self.desk.run("xdotool", "mousemove", str(x), str(y))
        return until(lambda: "\n".join(self.tooltips()), "a tooltip")

    def tooltips(self) -> list[str]:
        """Return the lines of the tooltips and of the balloon that are on the screen."""
        return self.home.wine(PYTHON, "-c", TEXTS, TOOLTIP).splitlines()

    def log_off(self, saved: Path) -> str:
        """Announce the end of the session to the tray, and return its answers and whether the file exists then."""
        pid = json.loads(self.endpoint.read_text(encoding="utf-8"))["pid"]
        return self.home.wine(PYTHON, "-c", LOGOFF, str(pid), windows_path(saved)).strip()

    def wait_for_dialog(self, text: str) -> None:
        """Wait for a dialog that contains a text."""
        until(lambda: text in self.home.wine(PYTHON, "-c", TEXTS, DIALOG), f"a dialog with {text!r}", 60)

    def audit(self) -> list[dict[str, Any]]:
        """Return the log of answers."""
        text = (self.home.path / "data/opencode-tray/audit.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def stop(self) -> None:
        """End every program in the prefix."""
        subprocess.run(["wineserver", "--kill"], env=self.home.environment, timeout=30, check=False)
        self._explorer.communicate(timeout=30)
        self.home.stop()
