"""Install and uninstall what the tray needs outside itself: the plugin, the command on the PATH, the autostart entry.

Each function returns a line for the user and raises InstallError.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tray.core.errors import UserError
from tray.files.reading import read_regular
from tray.files.writing import move
from tray.system.application_entry import ApplicationEntry
from tray.system.autostart import Autostart, is_same_command
from tray.system.own_program import own_command_without_console
from tray.system.resources import plugin_source

PLUGIN_SIGNATURE = "OpenCode Tray's plugin"  # in the first lines of every version of the plugin file


class InstallError(UserError):
    """A file cannot be installed or removed; the message says what to do."""


# ------------------------------------------------------------------ the plugin


def install_plugin(target: Path) -> str:
    """Write this version's plugin to `target`, and remove a copy that OpenCode would load as well."""
    source = plugin_source().read_bytes()  # bytes: the text mode of Windows changes line ends
    temporary = target.with_name(f".{target.name}.new")
    try:
        copies = _other_copies(target)
        found = _read(target)
        if found is not None and not _is_plugin(found):
            raise InstallError(f"{target} was not written by OpenCode Tray; move it away and install again")
        if found != source:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(source)
            move(str(temporary), target)
        for copy in copies:  # not before: with a full disk, OpenCode still has the plugin that it had
            copy.unlink()
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise InstallError(f"cannot write {target}: {error.strerror}") from error
    if found == source:
        return f"The plugin is installed already: {target}"
    return f"{'Wrote' if found is None else 'Updated'} {target}; OpenCode loads it when it starts next"


def uninstall_plugin(target: Path) -> str:
    """Remove the plugin and all copies that OpenCode would load."""
    try:
        found = _read(target)
        if found is not None and not _is_plugin(found):
            raise InstallError(f"{target} was not written by OpenCode Tray and was left in place")
        removed = [*_other_copies(target), *([target] if found is not None else [])]
        for path in removed:
            path.unlink()
    except OSError as error:
        raise InstallError(f"cannot remove {target}: {error}") from error
    return f"Removed {', '.join(map(str, removed))}" if removed else "The plugin was not installed"


def read_plugin(target: Path) -> bytes | None:
    """Return the content of our plugin at `target`; None if there is no file, or another program's. Raises OSError."""
    found = _read(target)
    return found if found is not None and _is_plugin(found) else None


def installed_version(target: Path) -> str | None:
    """Return the version of our plugin at `target`, or "" if it has none; None if it is missing or unreadable."""
    try:
        found = read_plugin(target)
    except OSError:
        return None
    return plugin_version(found) if found is not None else None


def plugin_version(source: bytes) -> str:
    """Return the version that a plugin file states, or ""."""
    found = re.search(rb'VERSION = "([^"]+)"', source)
    return found[1].decode("utf-8", "replace") if found else ""


def _other_copies(target: Path) -> list[Path]:
    """Return our plugin in `plugins/`, which newer versions of OpenCode read too: they would load it twice."""
    copy = target.parent.with_name("plugins") / target.name
    found = _read(copy)
    if found is None or not _is_plugin(found):
        return []
    return [] if target.exists() and copy.samefile(target) else [copy]  # one folder may be a link to the other


def _is_plugin(content: bytes) -> bool:
    return PLUGIN_SIGNATURE.encode() in content[:500]


def _read(path: Path) -> bytes | None:
    try:
        return read_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


# ------------------------------------------------------------------ the command, if packaging/run.py installed it


def install_link(link: Path, program: Path, search_path: str) -> str:
    """Create a link to `program`, unless another file has this name. `search_path` is the user's PATH.

    Only for programs that packaging/run.py installed: pipx, uv and packages put the command on the PATH themselves.
    """
    if not program.is_file():
        raise InstallError(f"{program} does not exist; install again with: python3 packaging/run.py")
    if not _leads_to(link, program):
        if os.path.lexists(link):
            return f"{link} was not created by OpenCode Tray and was left in place; run this program as {program}"
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(program)
        except OSError as error:
            raise InstallError(f"cannot create {link}: {error}; run this program as {program}") from error
    if str(link.parent) in search_path.split(os.pathsep):
        return f"The command is {link}"
    return (
        f"The command is {link}; its folder is not on your PATH: log in again, or add this line to your shell's"
        f' profile: export PATH="{link.parent}:$PATH"'
    )


def uninstall_link(link: Path, program: Path) -> str:
    """Remove the link to `program`. Return "" if there was none."""
    if not _leads_to(link, program):
        return ""
    try:
        link.unlink()
    except OSError as error:
        raise InstallError(f"cannot remove {link}: {error}") from error
    return f"Removed {link}"


def _leads_to(link: Path, program: Path) -> bool:
    """Return whether `link` is a link to this path, whether or not the program exists."""
    return link.is_symlink() and os.readlink(link) == str(program)  # noqa: PTH115  # as it was written


# ------------------------------------------------------------------ the start at login


def install_autostart(entry: Autostart, command: Sequence[str] = ()) -> str:
    """Start the tray at each login; `command` is the one that starts it, by default that of this program."""
    command = command or own_command_without_console("run")
    try:
        if is_same_command(entry.read(), command):
            return f"The tray starts at login already: {entry.place}"
        entry.write(command)
    except OSError as error:
        raise InstallError(f"cannot write {entry.place}: {error}") from error
    return f"The tray starts at your next login: {entry.place}"


def install_application_entry(entry: ApplicationEntry) -> str:
    """Show the tray in the application menu."""
    try:
        if entry.write(own_command_without_console("run")):
            return f"Wrote {entry.path}; the application menu shows the tray"
    except OSError as error:
        raise InstallError(f"cannot write {entry.path}: {error.strerror}") from error
    return "The application menu shows the tray already"


def uninstall_application_entry(entry: ApplicationEntry) -> str:
    """Do not show the tray in the application menu. The line is "" if it was not shown."""
    try:
        return f"Removed {entry.path}" if entry.remove() else ""
    except OSError as error:
        raise InstallError(f"cannot remove {entry.path}: {error}") from error


def uninstall_autostart(entry: Autostart) -> str:
    """Do not start the tray at login."""
    try:
        removed = entry.remove()
    except OSError as error:
        raise InstallError(f"cannot remove {entry.place}: {error}") from error
    return f"Removed {entry.place}" if removed else "The tray was not started at login"
