"""The audit log: every answer that the user gave through the tray, as JSON Lines, readable only by the owner."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from tray.regular_files import open_to_append, read_regular
from tray.storage.files import move

log = logging.getLogger(__name__)

MAX_SIZE = 5_000_000  # bytes; a larger file is rotated
BACKUPS = 2  # rotated files: audit.jsonl.1, the newer one, and audit.jsonl.2


def append(path: Path, entry: Mapping[str, Any]) -> None:
    """Append an entry. An error is logged, not raised, so that the user can still answer."""
    line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size + len(line) > MAX_SIZE:
            with suppress(OSError):  # Windows, while another program reads it: the next answer tries again
                _rotate(path)
        handle = open_to_append(path)
        try:
            os.write(handle, line.encode("utf-8", "replace"))
        finally:
            os.close(handle)
    except OSError as error:
        log.warning("cannot write the audit log %s: %s", path, error)


def newest(path: Path, count: int) -> list[dict[str, Any]]:
    """Return the newest entries, the newest first. Lines that are not valid are left out."""
    found: list[dict[str, Any]] = []
    for file in (path, path.with_name(f"{path.name}.1")):
        try:
            lines = read_regular(file).decode("utf-8", "replace").splitlines()
        except OSError:
            continue
        for line in reversed(lines):
            if len(found) == count:
                return found
            with suppress(ValueError, RecursionError):
                entry = json.loads(line)
                if isinstance(entry, dict):
                    found.append(entry)
    return found


def _rotate(path: Path) -> None:
    backups = [path.with_name(f"{path.name}.{number}") for number in range(BACKUPS, 0, -1)]  # the oldest first
    for older, newer in pairwise([*backups, path]):
        with suppress(FileNotFoundError):
            move(str(newer), older)
