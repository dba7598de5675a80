"""OpenCode's configuration files: which of them load the tray's plugin as an npm package."""

from __future__ import annotations

import re
from pathlib import Path

from tray.files.reading import read_regular

NAMES = ("opencode.json", "opencode.jsonc")
MAX_SIZE = 1_000_000  # bytes of a file; a longer one is not read
PACKAGE = re.compile(r'"opencode-tray(@[^"]*)?"')


def plugin_section(text: str) -> str:
    """Return the list of plugins of a configuration, as text: comments make it invalid JSON."""
    return text.partition('"plugin"')[2].partition("]")[0]


def npm_configuration(folder: Path) -> Path | None:
    """Return the file in `folder` whose list of plugins contains the npm package, or None."""
    for file in (folder / name for name in NAMES):
        try:
            text = read_regular(file, MAX_SIZE).decode("utf-8", "replace")
        except OSError:
            continue
        if PACKAGE.search(plugin_section(text)):
            return file
    return None
