"""The tray's entry in the application menu: it starts the tray again after *Quit*.

On Linux a desktop entry (freedesktop.org's Desktop Entry Specification 1.5), from which desktops also take the name and
the icon of our notifications. On Windows a shortcut in the Start menu.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import platformdirs

from tray.files.reading import exists
from tray.system import resources
from tray.system.autostart import desktop_entry
from tray.system.entry_file import EntryFile
from tray.system.paths import NAME

DEFAULT_DATA = "/usr/local/share:/usr/share"  # XDG Base Directory Specification 0.8


class ApplicationEntry(Protocol):
    """The entry of this user in an application menu."""

    path: Path
    is_for_all: bool  # whether a package has installed one for all users

    def write(self, command: Sequence[str]) -> bool:
        """Write the entry, unless there is one for all users; return whether it has changed. Raises OSError."""

    def remove(self) -> bool:
        """Remove the entry; return whether there was one. Raises OSError."""


class DesktopMenuEntry(EntryFile):
    """The entry of this user on Linux. A package may have installed one for all users, which is enough."""

    def __init__(self, folder: Path, system_folders: Sequence[Path], icon: Path | None) -> None:
        """The folders are those of desktop entries."""
        super().__init__(folder / f"{NAME}.desktop")
        self.is_for_all = any(exists(other / self.path.name) for other in system_folders)
        self._icon = icon

    def write(self, command: Sequence[str]) -> bool:
        """Write the entry, unless there is one for all users; return whether it has changed. Raises OSError."""
        text = desktop_entry(command, f"Icon={self._icon or NAME}", "Categories=Development;")
        if self.is_for_all or self.read_text() == text:
            return False
        self.write_text(text)
        return True


def application_entry(environment: Mapping[str, str]) -> ApplicationEntry | None:
    """Return the entry of this user; None on systems with another kind of application menu."""
    if sys.platform == "win32":
        from tray.system.start_menu import FOLDER, Shortcut  # noqa: PLC0415  # Windows only

        return Shortcut(Path(environment["APPDATA"]) / FOLDER) if environment.get("APPDATA") else None
    if sys.platform != "linux":
        return None
    folders = (environment.get("XDG_DATA_DIRS") or DEFAULT_DATA).split(":")
    for_all = [Path(folder) / "applications" for folder in folders if folder]
    return DesktopMenuEntry(Path(platformdirs.user_data_dir()) / "applications", for_all, resources.app_icon())
