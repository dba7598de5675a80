"""Decode Server-Sent Events, as far as OpenCode uses them: bytes in, the data of complete events out."""

from __future__ import annotations

from collections.abc import Iterator

MAX_EVENT = 16 * 1024 * 1024  # bytes; one event may carry a whole file


class TooBigError(ValueError):
    """An event is longer than MAX_EVENT, so it does not come from OpenCode."""


class Decoder:
    """Incremental decoder. Event IDs are ignored: OpenCode sends none."""

    def __init__(self) -> None:
        self._rest = bytearray()  # the incomplete last line
        self._data: list[bytes] = []
        self._size = 0  # of the data lines, in bytes

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Add a chunk of any size and yield the data of each event that is complete now. Raises TooBigError."""
        first, *more = chunk.split(b"\n")
        self._rest += first
        for line in more:
            yield from self._line(bytes(self._rest))
            self._rest[:] = line
        if len(self._rest) + self._size > MAX_EVENT:
            raise TooBigError

    def _line(self, line: bytes) -> Iterator[bytes]:
        text = line.removesuffix(b"\r")
        if text.startswith(b"data:"):
            self._data.append(text[5:].removeprefix(b" "))
            self._size += len(text)
            if self._size > MAX_EVENT:
                raise TooBigError
        elif not text and self._data:
            event, self._data, self._size = b"\n".join(self._data), [], 0
            yield event
