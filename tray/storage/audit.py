"""The audit log: every answer that the user gave through the tray, as JSON Lines, readable only by the owner."""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from tray.files.reading import open_regular, open_to_append, seek_near_end
from tray.files.writing import move

MAX_SIZE = 5_000_000  # bytes; a larger file is rotated
SLOW = "does not respond; its disk is very slow"
LOCK_TIMEOUT = 0.5  # s to wait for another thread that writes
MAX_WAITING = 10_000  # entries kept while they cannot be written; the oldest are dropped
BACKUPS = 2  # rotated files: audit.jsonl.1, the newer one, and audit.jsonl.2


class AuditLog:
    """Appends entries. Those that cannot be written, as while the disk is full, are kept for another try."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: deque[bytes] = deque(maxlen=MAX_WAITING)
        self._writing = threading.Lock()

    def add(self, entry: Mapping[str, Any]) -> None:
        """Add an entry for the next `write`."""
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
        self._waiting.append(line.encode("utf-8", "replace"))

    def write(self) -> str:
        """Write what was added; return why that is not possible now, or "". Call it on a thread: a disk may be slow."""
        if not self._writing.acquire(timeout=LOCK_TIMEOUT):
            return f"answers are not recorded: {self._path} {SLOW}"
        try:
            while self._waiting:
                self._append(self._waiting[0])
                self._waiting.popleft()
        except OSError as error:
            return f"answers are not recorded: cannot write {self._path}: {error.strerror}"
        finally:
            self._writing.release()
        return ""

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size + len(line) > MAX_SIZE:
            with suppress(OSError):  # Windows, while another program reads it: the next answer tries again
                _rotate(self._path)
        if _ends_within_a_line(self._path):  # the disk was full, or the machine stopped
            line = b"\n" + line
        with os.fdopen(open_to_append(self._path), "ab") as file:
            file.write(line)


def _ends_within_a_line(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            seek_near_end(file, 1)
            return file.read(1) not in (b"", b"\n")
    except FileNotFoundError:
        return False


def newest(path: Path, count: int) -> list[dict[str, Any]]:
    """Return at most the `count` newest entries, the newest first. Lines that are not valid are left out."""
    lines: deque[bytes] = deque(maxlen=count)  # the files may have megabytes, and are never in memory as a whole
    for file in (path.with_name(f"{path.name}.1"), path):
        with suppress(OSError), open_regular(file) as opened:
            if os.fstat(opened.fileno()).st_size <= 2 * MAX_SIZE:  # else it is not ours
                lines.extend(opened)
    found: list[dict[str, Any]] = []
    for line in reversed(lines):
        with suppress(ValueError, RecursionError):
            entry = json.loads(line.decode("utf-8", "replace"))
            if isinstance(entry, dict):
                found.append(entry)
    return found


def _rotate(path: Path) -> None:
    backups = [path.with_name(f"{path.name}.{number}") for number in range(BACKUPS, 0, -1)]  # the oldest first
    for older, newer in pairwise([*backups, path]):
        with suppress(FileNotFoundError):
            move(str(newer), older)
