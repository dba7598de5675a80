r"""Start the tray at login, with an entry for this user that the platform reads.

| platform | entry |
|---|---|
| Linux | a desktop entry (freedesktop.org's Desktop Application Autostart Specification 0.5), or a unit of systemd |
| macOS | a launch agent (launchd.plist(5)), restarted after a crash or a kill |
| Windows | a value under `HKEY_CURRENT_USER\...\Run` |
"""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol
from xml.parsers.expat import ExpatError

import platformdirs

from tray.files.reading import exists
from tray.system.entry_file import EntryFile
from tray.system.paths import NAME, TITLE
from tray.system.systemd_unit import SystemdUnit

# Window managers and compositors that read no autostart entries, and how their own configuration starts a program.
STARTUP_LINES = {
    "sway": f"exec {NAME} run",
    "i3": f"exec --no-startup-id {NAME} run",
    "hyprland": f"exec-once = {NAME} run",
    "niri": f'spawn-at-startup "{NAME}" "run"',
    "river": f"riverctl spawn '{NAME} run'",
}
RUN_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"


class Autostart(Protocol):
    """The autostart entry of a platform."""

    @property
    def place(self) -> str:
        """Its location, as shown to the user."""

    def read(self) -> list[str] | None:
        """Return the command that runs at login, or None. Raises OSError."""

    def write(self, command: Sequence[str]) -> None:
        """Run the command at login from now on. Raises OSError."""

    def remove(self) -> bool:
        """Remove the entry; return whether there was one. Raises OSError."""


def autostart() -> Autostart:
    """Return the autostart entry for this platform and user."""
    return linux_autostart() if sys.platform == "linux" else _other_autostart()


def linux_autostart() -> LinuxAutostart:
    """Return the autostart entries of this user on Linux."""
    folder = Path(platformdirs.user_config_dir())
    system_folders = os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")  # XDG Base Directory Specification
    for_all = [Path(folder) / "autostart" for folder in system_folders if folder]
    return LinuxAutostart(
        DesktopEntry(folder / f"autostart/{NAME}.desktop", for_all), SystemdUnit(folder / "systemd/user")
    )


def _other_autostart() -> Autostart:
    if sys.platform == "win32":
        return RunKey()
    log = Path(platformdirs.user_log_dir(NAME, appauthor=False)) / "launchd.log"
    return LaunchAgent(Path.home() / f"Library/LaunchAgents/{NAME}.plist", log, os.environ)


def startup_line(environment: Mapping[str, str]) -> str:
    """Return the line that the configuration of this desktop needs, because it reads no entries; "" if it does."""
    names = environment.get("XDG_CURRENT_DESKTOP", "").lower().split(":")
    return next((STARTUP_LINES[name] for name in names if name in STARTUP_LINES), "")


class LinuxAutostart:
    """The autostart entries of a user on Linux. At most one of them is enabled, as the session may honour both."""

    def __init__(self, entry: DesktopEntry, unit: SystemdUnit, *, uses_unit: bool | None = None) -> None:
        """`uses_unit`: whether `write` writes the unit; by default if the unit is enabled already."""
        self._entry = entry
        self._unit = unit
        self.uses_unit = unit.is_enabled if uses_unit is None else uses_unit

    def with_unit(self) -> LinuxAutostart:
        """Return the same entries, of which `write` enables the unit."""
        return LinuxAutostart(self._entry, self._unit, uses_unit=True)

    @property
    def place(self) -> str:
        """The location of the entry that is used, as shown to the user."""
        return self._unit.place if self.uses_unit else self._entry.place

    def read(self) -> list[str] | None:
        """Return the command of the entry that is used, or None if another one or none is enabled. Raises OSError."""
        if self.uses_unit:
            return self._unit.read() if self._entry.read() is None else None
        return self._entry.read()

    def write(self, command: Sequence[str]) -> None:
        """Run the command at login from now on. Raises OSError."""
        if self.uses_unit:
            self._unit.write(command)
            self._entry.remove()
        else:
            self._entry.write(command)
            self._unit.remove()

    def remove(self) -> bool:
        """Remove or disable both entries; return whether one was enabled. Raises OSError."""
        removed = self._unit.remove()
        return self._entry.remove() or removed


class DesktopEntry(EntryFile):
    """The desktop entry of Linux and other freedesktop.org desktops.

    A package may have installed one for all users, which an entry of the user with the same name replaces.
    """

    def __init__(self, path: Path, system_folders: Sequence[Path] = ()) -> None:
        """`system_folders` are those of the entries for all users, the most important one first."""
        super().__init__(path)
        self._for_all = next((file for folder in system_folders if exists(file := folder / path.name)), None)

    @property
    def place(self) -> str:
        """The entry of this user if there is one, else the one for all users, if a package has installed it."""
        return str(self.path if self._for_all is None or self.path.exists() else self._for_all)

    def read(self) -> list[str] | None:
        """Return the command, or None if there is no entry or the user has disabled it."""
        text = self.read_text()
        return self._read_for_all() if text is None else _command_in(text)

    def write(self, command: Sequence[str]) -> None:
        """Run the command at login from now on. No entry is needed if the one for all users starts this program."""
        if is_same_command(self._read_for_all(), command):
            super().remove()
        else:
            self.write_text(desktop_entry(command))

    def remove(self) -> bool:
        """Remove or disable the entry; return whether there was one."""
        if self._for_all is None:
            return super().remove()
        was_enabled = self.read() is not None
        self.write_text(f"[Desktop Entry]\nType=Application\nName={TITLE}\nHidden=true\n")
        return was_enabled

    def _read_for_all(self) -> list[str] | None:
        return None if self._for_all is None else _command_in(self._for_all.read_text("utf-8", errors="replace"))


def _command_in(text: str) -> list[str] | None:
    """Return the command of a desktop entry; None if it has none or is disabled."""
    keys = dict(re.findall(r"^([A-Za-z-]+)\s*=\s*(.*?)\s*$", text, re.MULTILINE))
    disabled = keys.get("Hidden") == "true" or keys.get("X-GNOME-Autostart-enabled") == "false"
    return None if disabled or "Exec" not in keys else _split(keys["Exec"])


def is_same_command(written: Sequence[str] | None, command: Sequence[str]) -> bool:
    """Whether a command of an entry starts the same program, perhaps by its name, or a bundle through a link."""
    if not written or written[1:] != command[1:] or (program := shutil.which(written[0])) is None:
        return False
    if "-m" in command:  # the Pythons of two environments are links to the same program
        return Path(program).absolute() == Path(command[0]).absolute()
    return Path(program).resolve() == Path(command[0]).resolve()


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
