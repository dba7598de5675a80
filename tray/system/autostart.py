r"""Starting at login: one entry for this user, which the platform itself reads.

| platform | entry |
|---|---|
| Linux | a desktop entry (freedesktop.org's Desktop Application Autostart Specification 0.5) |
| macOS | a launch agent (launchd.plist(5)), started again if it crashes |
| Windows | a value under `HKEY_CURRENT_USER\...\Run` |
"""

from __future__ import annotations

import plistlib
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from xml.parsers.expat import ExpatError

import platformdirs

from tray.system.paths import NAME

TITLE = "OpenCode Tray"
RUN_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"


class Autostart(Protocol):
    """The entry of one platform."""

    place: str  # where it is, for people

    def read(self) -> list[str] | None:
        """The command that is started at login; None: none is. Raises OSError."""

    def write(self, command: Sequence[str]) -> None:
        """From the next login on start this. Raises OSError."""

    def remove(self) -> bool:
        """Start nothing any more; whether anything was. Raises OSError."""


def autostart() -> Autostart:
    """The entry of this platform and this user."""
    if sys.platform == "win32":
        return RunKey()
    if sys.platform == "darwin":
        return LaunchAgent(Path.home() / f"Library/LaunchAgents/{NAME}.plist")
    return DesktopEntry(Path(platformdirs.user_config_dir()) / f"autostart/{NAME}.desktop")


def own_command() -> list[str]:
    """This very program, wherever it was installed."""
    python = Path(sys.executable)
    if sys.platform == "win32" and python.with_name("pythonw.exe").exists():
        python = python.with_name("pythonw.exe")  # the other opens a window
    return [str(python), "-I", "-m", "tray", "run"]


class _File:
    """An entry that is a file of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)

    def _write(self, text: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f".{self.path.name}.new")
        fresh.write_text(text, encoding="utf-8", newline="\n")
        fresh.replace(self.path)

    def _text(self) -> str | None:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def remove(self) -> bool:
        """Start nothing any more; whether there was an entry."""
        try:
            self.path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True


class DesktopEntry(_File):
    """Linux and other free desktops."""

    def read(self) -> list[str] | None:
        """The command of the entry; None where there is none, or a person has switched it off."""
        text = self._text() or ""
        keys = dict(re.findall(r"^([A-Za-z-]+)\s*=\s*(.*?)\s*$", text, re.MULTILINE))
        off = keys.get("Hidden") == "true" or keys.get("X-GNOME-Autostart-enabled") == "false"
        return None if off or "Exec" not in keys else _words(keys["Exec"])

    def write(self, command: Sequence[str]) -> None:
        """From the next login on start this."""
        words = " ".join(map(_quoted, command))
        self._write(
            "[Desktop Entry]\n"
            "Type=Application\n"
            f"Name={TITLE}\n"
            "Comment=One glance says whether a coding agent needs you\n"
            f"Exec={words}\n"
            "Terminal=false\n"
            "StartupNotify=false\n"
        )


def _quoted(word: str) -> str:
    r"""One argument in an Exec key: quoted, `%` doubled, and what a string's escapes would take (`\`) doubled again."""
    if re.fullmatch(r"[A-Za-z0-9_./+:@,=-]+", word):
        return word
    escaped = re.sub(r'(["`$\\])', r"\\\1", word).replace("%", "%%")
    return '"' + escaped.replace("\\", "\\\\") + '"'


def _words(line: str) -> list[str]:
    """The arguments of an Exec key."""
    found = re.findall(r'"((?:\\.|[^"\\])*)"|(\S+)', line.replace("\\\\", "\\"))
    return [(re.sub(r"\\(.)", r"\1", quoted) or plain).replace("%%", "%") for quoted, plain in found]


class LaunchAgent(_File):
    """macOS."""

    def read(self) -> list[str] | None:
        """The command of the entry."""
        text = self._text()
        if text is None:
            return None
        try:
            told = plistlib.loads(text.encode())
        except (plistlib.InvalidFileException, ExpatError, ValueError):
            return []
        words = told.get("ProgramArguments") if isinstance(told, dict) else None
        return [str(word) for word in words] if isinstance(words, list) else []

    def write(self, command: Sequence[str]) -> None:
        """From the next login on start this."""
        told = {
            "Label": NAME,
            "ProgramArguments": list(command),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ProcessType": "Interactive",
            "LimitLoadToSessionType": "Aqua",
        }
        self._write(plistlib.dumps(told).decode())


if sys.platform == "win32":
    import winreg

    class RunKey:
        """Windows."""

        def __init__(self, name: str = TITLE) -> None:
            self._name = name
            self.place = f"HKEY_CURRENT_USER\\{RUN_KEY}, {name}"

        def read(self) -> list[str] | None:
            """The command of the entry."""
            try:
                with winreg.OpenKey(winreg.HKEY_CURRENT_USER, RUN_KEY) as key:
                    line = str(winreg.QueryValueEx(key, self._name)[0])
            except FileNotFoundError:
                return None
            return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', line)]

        def write(self, command: Sequence[str]) -> None:
            """From the next login on start this."""
            with winreg.CreateKey(winreg.HKEY_CURRENT_USER, RUN_KEY) as key:
                winreg.SetValueEx(key, self._name, 0, winreg.REG_SZ, subprocess.list2cmdline(command))

        def remove(self) -> bool:
            """Start nothing any more; whether there was an entry."""
            try:
                with winreg.OpenKey(winreg.HKEY_CURRENT_USER, RUN_KEY, 0, winreg.KEY_SET_VALUE) as key:
                    winreg.DeleteValue(key, self._name)
            except FileNotFoundError:
                return False
            return True
