"""The file that says which entry of `tailscale serve` the tray made and has not removed yet."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tray.core.lenient_json import JSON_ERRORS
from tray.regular_files import read_regular
from tray.storage.files import write_privately


class TailnetEntry(msgspec.Struct, frozen=True):
    """The entry for https://`name`/."""

    name: str
    page_port: int


def read_entry(path: Path) -> TailnetEntry | None:
    """Return the entry; None if there is none, or if the file is not valid."""
    try:
        return msgspec.json.decode(read_regular(path), type=TailnetEntry)
    except (OSError, *JSON_ERRORS):
        return None


def write_entry(path: Path, entry: TailnetEntry) -> None:
    """Write the file. Raises OSError."""
    write_privately(path, msgspec.json.encode(entry).decode() + "\n")


def remove_entry(path: Path) -> None:
    """Remove the file if it exists. Raises OSError."""
    path.unlink(missing_ok=True)
