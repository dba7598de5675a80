"""The file of the machines that report through a tunnel, readable only by the owner. It holds no token."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from tray.core.lenient_json import JSON_ERRORS
from tray.core.remotes import Remote
from tray.files.reading import read_regular
from tray.files.writing import set_aside_unreadable, write_privately


def read_remotes(path: Path) -> tuple[tuple[Remote, ...], str]:
    """Return the machines and "", or none and the problem."""
    try:
        return msgspec.json.decode(read_regular(path), type=tuple[Remote, ...]), ""
    except FileNotFoundError:
        return (), ""
    except (OSError, *JSON_ERRORS) as error:
        return (), f"{set_aside_unreadable(path, error)}; add the machines again: opencode-tray remote add"


def write_remotes(path: Path, remotes: Iterable[Remote]) -> None:
    """Write the file. Raises OSError."""
    write_privately(path, msgspec.json.format(msgspec.json.encode(tuple(remotes))).decode() + "\n")
