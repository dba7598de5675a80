"""Putting the plugin into OpenCode's configuration, and taking it out again."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from tray.core.errors import UserError
from tray.storage.files import move
from tray.system.resources import plugin_source

SIGNATURE = "OpenCode Tray's plugin"  # in the first lines of every version of our file, and of no other


class PluginFileError(UserError):
    """The plugin cannot be put there or taken away; the message says what to do."""


def install_plugin(target: Path) -> str:
    """Afterwards `target` holds this version's plugin. Says what was written. Raises PluginFileError."""
    source = plugin_source().read_bytes()  # byte by byte: Windows' text mode writes other line ends
    fresh = target.with_name(f".{target.name}.new")
    try:
        twins = _twins(target)
        found = _read(target)
        if found is not None and not _is_ours(found):
            raise PluginFileError(f"{target} was not written by OpenCode Tray; move it away and install again")
        for twin in twins:
            twin.unlink()
        if found == source:
            return f"The plugin is installed already: {target}"
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(source)
        move(str(fresh), target)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise PluginFileError(f"{target} cannot be written: {error}") from error
    return f"{'Wrote' if found is None else 'Updated'} {target}; OpenCode loads it at its next start"


def uninstall_plugin(target: Path) -> str:
    """Afterwards OpenCode loads no plugin of ours. Says what was removed. Raises PluginFileError."""
    try:
        found = _read(target)
        if found is not None and not _is_ours(found):
            raise PluginFileError(f"{target} was not written by OpenCode Tray and was left in place")
        removed = [*_twins(target), *([target] if found is not None else [])]
        for path in removed:
            path.unlink()
    except OSError as error:
        raise PluginFileError(f"{target} cannot be removed: {error}") from error
    return f"Removed {', '.join(map(str, removed))}" if removed else "No plugin was installed"


def installed_version(target: Path) -> str | None:
    """The version of the installed plugin; None if there is none of ours."""
    found = _read(target)
    if found is None or not _is_ours(found):
        return None
    version = re.search(r'VERSION = "([^"]+)"', found.decode("utf-8", "replace"))
    return version[1] if version else ""


def _twins(target: Path) -> list[Path]:
    """Our file in `plugins/`, which newer OpenCode reads too: it would run twice."""
    twin = target.parent.with_name("plugins") / target.name
    found = _read(twin)
    if found is None or not _is_ours(found):
        return []
    return [] if target.exists() and twin.samefile(target) else [twin]  # one folder may be a link to the other


def _is_ours(found: bytes) -> bool:
    return SIGNATURE.encode() in found[:500]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
