"""Read the transcripts of sessions: files of JSON lines that agents append to."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from tray.files.reading import open_regular, seek_near_end

MAX_READ = 50_000_000  # bytes; of a file that is or grew longer, only the end is read
MAX_OUTPUT = 200  # characters kept of the last line of output
ABORTED = "MessageAbortedError"  # OpenCode's name for a turn that the user stopped


class ToolCall(msgspec.Struct, frozen=True):
    """A tool call without a result."""

    id: str
    name: str
    arguments: bytes  # JSON
    called_at: int  # ms since the Unix epoch


class Lines(Protocol):
    """What is accumulated from the lines."""

    def add(self, raw: bytes) -> None:
        """Apply one line; an invalid one changes nothing."""


Content = TypeVar("Content", bound=Lines)


class GrowingFile(Generic[Content]):
    """Each `read` continues where the last one ended."""

    def __init__(self, path: Path, empty: Callable[[], Content]) -> None:
        """`empty` returns the content of an empty file."""
        self.content = empty()
        self.path = path
        self._empty = empty
        self._offset = 0
        self._identity = (0, 0)  # device and inode

    def read(self) -> None:
        """Read what was added. A file that was replaced or cut is read again from its start. Raises OSError."""
        status = self.path.stat()
        if (status.st_dev, status.st_ino, status.st_size) == (*self._identity, self._offset):
            return
        with open_regular(self.path) as stream:
            status = os.fstat(stream.fileno())
            identity = status.st_dev, status.st_ino
            if identity != self._identity or status.st_size < self._offset:
                self.content = self._empty()
                self._identity = identity
                self._offset = 0
            self._offset = seek_near_end(stream, MAX_READ, self._offset)
            for line in stream:  # one at a time: a list of 50 MB of empty lines would be 400 MB long
                if self._offset >= status.st_size or not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                self.content.add(line[:-1])


def last_lines(path: Path, size: int) -> list[bytes]:
    """Return the complete lines in the last `size` bytes of a file. Raises OSError."""
    with open_regular(path) as stream:
        start = seek_near_end(stream, size)
        lines = stream.read(size).split(b"\n")
    return lines[1 if start else 0 : -1]


def milliseconds(text: str) -> int:
    """Return a time in ms since the Unix epoch; 0 if it is absent or invalid."""
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):  # OSError: Windows, for a local time before 1970
        return 0
