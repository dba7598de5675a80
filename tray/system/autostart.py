r"""Start the tray at login, with an entry for this user that the platform reads.

| platform | entry |
|---|---|
| Linux | a desktop entry (freedesktop.org's Desktop Application Autostart Specification 0.5) |
| macOS | a launch agent (launchd.plist(5)), restarted after a crash or a kill |
| Windows | a value under `HKEY_CURRENT_USER\...\Run` |
"""

from __future__ import annotations

import os
import plistlib
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol
from xml.parsers.expat import ExpatError

import platformdirs

from tray.system.paths import NAME, TITLE

RUN_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"


class Autostart(Protocol):
    """The autostart entry of a platform."""

    place: str  # its location, as shown to the user

    def read(self) -> list[str] | None:
        """Return the command that runs at login, or None. Raises OSError."""

    def write(self, command: Sequence[str]) -> None:
        """Run the command at login from now on. Raises OSError."""

    def remove(self) -> bool:
        """Remove the entry; return whether there was one. Raises OSError."""


def autostart() -> Autostart:
    """Return the autostart entry for this platform and user."""
    if sys.platform == "win32":
        return RunKey()
    if sys.platform == "darwin":
        log = Path(platformdirs.user_log_dir(NAME, appauthor=False)) / "launchd.log"
        return LaunchAgent(Path.home() / f"Library/LaunchAgents/{NAME}.plist", log, os.environ)
    folders = os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")  # XDG Base Directory Specification
    for_all = [Path(folder) / "autostart" for folder in folders if folder]
    return DesktopEntry(Path(platformdirs.user_config_dir()) / f"autostart/{NAME}.desktop", for_all)


class EntryFile:
    """An entry in a file of its own, which a desktop reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)

    def write_text(self, text: str) -> None:
        """Write the file. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f".{self.path.name}.new")
        new.write_text(text, encoding="utf-8", newline="\n")
        new.replace(self.path)

    def read_text(self) -> str | None:
        """Return the content of the file; None if there is none. Raises OSError."""
        try:
            return self.path.read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return None

    def remove(self) -> bool:
        """Remove the entry; return whether there was one."""
        try:
            self.path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True


class DesktopEntry(EntryFile):
    """The desktop entry of Linux and other freedesktop.org desktops.

    A package may have installed one for all users, which an entry of the user with the same name replaces.
    """

    def __init__(self, path: Path, system_folders: Sequence[Path] = ()) -> None:
        """`system_folders` are those of the entries for all users, the most important one first."""
        super().__init__(path)
        self._for_all = next((file for folder in system_folders if (file := folder / path.name).exists()), None)

    def read(self) -> list[str] | None:
        """Return the command, or None if there is no entry or the user has disabled it."""
        text = self.read_text()
        if text is None and self._for_all is not None:
            text = self._for_all.read_text(encoding="utf-8", errors="replace")
        text = text or ""
        keys = dict(re.findall(r"^([A-Za-z-]+)\s*=\s*(.*?)\s*$", text, re.MULTILINE))
        disabled = keys.get("Hidden") == "true" or keys.get("X-GNOME-Autostart-enabled") == "false"
        return None if disabled or "Exec" not in keys else _split(keys["Exec"])

    def write(self, command: Sequence[str]) -> None:
        """Run the command at login from now on."""
        self.write_text(desktop_entry(command))

    def remove(self) -> bool:
        """Remove or disable the entry; return whether there was one."""
        if self._for_all is None:
            return super().remove()
        was_enabled = self.read() is not None
        self.write_text(f"[Desktop Entry]\nType=Application\nName={TITLE}\nHidden=true\n")
        return was_enabled


def desktop_entry(command: Sequence[str], *keys: str) -> str:
    """Return a desktop entry for a command, with further keys, each as NAME=VALUE."""
    lines = (
        "[Desktop Entry]",
        "Type=Application",
        f"Name={TITLE}",
        "Comment=Shows the coding-agent sessions that need you",
        f"Exec={' '.join(map(_quote, command))}",
        *keys,
        "Terminal=false",
        "StartupNotify=false",
    )
    return "\n".join(lines) + "\n"


def _quote(word: str) -> str:
    r"""Quote an argument for an Exec key: `%` is doubled, and `\` is escaped for the quotes and for the string."""
    if re.fullmatch(r"[A-Za-z0-9_./+:@,=-]+", word):
        return word
    escaped = re.sub(r'(["`$\\])', r"\\\1", word).replace("%", "%%")
    return '"' + escaped.replace("\\", "\\\\") + '"'


def _split(line: str) -> list[str]:
    """Return the arguments of an Exec key."""
    found = re.findall(r'"((?:\\.|[^"\\])*)"|(\S+)', line.replace("\\\\", "\\"))
    return [(re.sub(r"\\(.)", r"\1", quoted) or plain).replace("%%", "%") for quoted, plain in found]


# launchd starts programs with a PATH of four system folders, and without what the user's shell sets.
KEPT_VARIABLES = (
    "PATH", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "OPENCODE_CONFIG_DIR", "CLAUDE_CONFIG_DIR", "CODEX_HOME",
)  # fmt: skip


class LaunchAgent(EntryFile):
    """The launch agent of macOS."""

    def __init__(self, path: Path, log: Path, environment: Mapping[str, str]) -> None:
        """`log` gets what is printed before the tray's own log is open. KEPT_VARIABLES of `environment` are stored."""
        super().__init__(path)
        self._log = log
        self._environment = {name: environment[name] for name in KEPT_VARIABLES if environment.get(name)}

    def read(self) -> list[str] | None:
        """Return the command, [] if the file is invalid, or None if there is no entry."""
        text = self.read_text()
        if text is None:
            return None
        try:
            content = plistlib.loads(text.encode())
        except (plistlib.InvalidFileException, ExpatError, ValueError):
            return []
        arguments = content.get("ProgramArguments") if isinstance(content, dict) else None
        return [str(argument) for argument in arguments] if isinstance(arguments, list) else []

    def write(self, command: Sequence[str]) -> None:
        """Run the command at login from now on."""
        content = {
            "Label": NAME,
            "ProgramArguments": list(command),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ProcessType": "Interactive",
            "LimitLoadToSessionType": "Aqua",
            "EnvironmentVariables": self._environment,
            "StandardErrorPath": str(self._log),
            "StandardOutPath": str(self._log),
        }
        self._log.parent.mkdir(parents=True, exist_ok=True)  # launchd does not make it
        self.write_text(plistlib.dumps(content).decode())
        self.path.chmod(0o644)  # launchd refuses a file that others can write


if sys.platform == "win32":
    import winreg

    class RunKey:
        """The value in the Run key of Windows."""

        def __init__(self, name: str = TITLE) -> None:
            self._name = name
            self.place = f"HKEY_CURRENT_USER\\{RUN_KEY}, {name}"

        def read(self) -> list[str] | None:
            """Return the command, or None if there is no entry."""
            try:
                with winreg.OpenKey(winreg.HKEY_CURRENT_USER, RUN_KEY) as key:
                    line = str(winreg.QueryValueEx(key, self._name)[0])
            except FileNotFoundError:
                return None
            return [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', line)]

        def write(self, command: Sequence[str]) -> None:
            """Run the command at login from now on."""
            with winreg.CreateKey(winreg.HKEY_CURRENT_USER, RUN_KEY) as key:
                winreg.SetValueEx(key, self._name, 0, winreg.REG_SZ, subprocess.list2cmdline(command))

        def remove(self) -> bool:
            """Remove the entry; return whether there was one."""
            try:
                with winreg.OpenKey(winreg.HKEY_CURRENT_USER, RUN_KEY, 0, winreg.KEY_SET_VALUE) as key:
                    winreg.DeleteValue(key, self._name)
            except FileNotFoundError:
                return False
            return True
