"""The audit log: every answer that a person gave through the tray, a JSON object a line, for the owner alone."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

FULL = 5_000_000  # bytes, after which a new file is begun
KEPT = 2  # older files beside it: audit.jsonl.1, the newer, and audit.jsonl.2


def append(path: Path, entry: Mapping[str, Any]) -> None:
    """Add one line. A disk that refuses is logged: answering goes on."""
    line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size + len(line) > FULL:
            _rotate(path)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, line.encode("utf-8", "replace"))
        finally:
            os.close(handle)
    except OSError as error:
        log.warning("the audit log %s was not written: %s", path, error)


def _rotate(path: Path) -> None:
    for number in range(KEPT, 0, -1):
        older = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        with suppress(FileNotFoundError):
            older.replace(path.with_name(f"{path.name}.{number}"))
