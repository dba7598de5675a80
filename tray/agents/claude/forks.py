"""Find the transcripts that share messages with one: its forks, the session of which it is a fork, and their forks.

A fork begins with the first line of its parent that has a uuid, or with the parent's newest compaction. The
parent contained that line when it was written, so files that did not change since then are not opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import msgspec

from tray.agents.claude.usage import FileUsage
from tray.agents.transcripts import MAX_READ, GrowingFile, milliseconds
from tray.core.lenient_json import decode_or
from tray.files.reading import open_regular, read_regular

MAX_LINES, MAX_LINE = 100, 1_000_000  # that are read of a file's start, and bytes of each
MAX_RELATED = 100  # files that are read
COMPACTION = "compact_boundary"
CLOCK_STEP = 2_000  # ms: the resolution of a file's time on some file systems


class _Start(msgspec.Struct, frozen=True):
    """The first line that has a uuid."""

    subtype: str = ""
    uuid: str = ""
    timestamp: str = ""


def related_files(path: Path) -> tuple[FileUsage, ...]:
    """Return what the other files say that share messages with a transcript. Blocks."""
    start = _start_of(path)
    if start is None:
        return ()
    changed = _changed_since(path, milliseconds(start.timestamp) - CLOCK_STEP)
    related = (file for file in changed if _is_related(file, start))
    return tuple(_usage_of(file) for file in islice(related, MAX_RELATED))


def _changed_since(path: Path, at: int) -> Iterator[Path]:
    """Yield the other transcripts of the project that changed since a time."""
    try:
        entries = list(os.scandir(path.parent))
    except OSError:
        return
    for entry in entries:
        try:
            is_changed = entry.name.endswith(".jsonl") and entry.stat().st_mtime * 1000 >= at
        except OSError:
            continue
        if is_changed and entry.name != path.name:
            yield Path(entry.path)


def _is_related(file: Path, start: _Start) -> bool:
    if start.subtype == COMPACTION:
        return _contains(file, start.uuid.encode())
    other = _start_of(file)
    return other is not None and other.uuid == start.uuid


def _start_of(file: Path) -> _Start | None:
    with suppress(OSError), open_regular(file) as stream:
        for raw in islice(iter(lambda: stream.readline(MAX_LINE), b""), MAX_LINES):
            start = decode_or(raw, _Start, _Start())
            if start.uuid:
                return start
    return None


def _contains(file: Path, text: bytes) -> bool:
    try:
        return text in read_regular(file, MAX_READ)
    except OSError:
        return False


def _usage_of(file: Path) -> FileUsage:
    growing = GrowingFile(file, FileUsage)
    with suppress(OSError):  # removed meanwhile
        growing.read()
    growing.content.steps.take()  # they belong to other sessions
    return growing.content
