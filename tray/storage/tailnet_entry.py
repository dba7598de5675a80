"""The file that says which entry of `tailscale serve` the tray made and has not removed yet."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tray.core.errors import UserError
from tray.core.lenient_json import JSON_ERRORS
from tray.files.reading import read_regular
from tray.files.writing import write_privately


class TailnetEntryError(UserError):
    """The file cannot be read; the text says what to do."""


class TailnetEntry(msgspec.Struct, frozen=True):
    """The entry for https://`name`/."""

    name: str
    page_port: int


def read_entry(path: Path) -> TailnetEntry | None:
    """Return the entry; None if there is none. Raises TailnetEntryError."""
    try:
        return msgspec.json.decode(read_regular(path), type=TailnetEntry)
    except FileNotFoundError:
        return None
    except (OSError, *JSON_ERRORS) as error:
        advice = "look at: tailscale serve status, remove the entry of the tray there, then this file"
        raise TailnetEntryError(f"cannot read {path} ({error}); {advice}") from error


def write_entry(path: Path, entry: TailnetEntry) -> None:
    """Write the file. Raises OSError."""
    write_privately(path, msgspec.json.encode(entry).decode() + "\n")


def remove_entry(path: Path) -> None:
    """Remove the file if it exists. Raises OSError."""
    path.unlink(missing_ok=True)
