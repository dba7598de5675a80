"""Server-sent events, as far as OpenCode sends them: bytes in, the data of whole events out."""

from __future__ import annotations

from collections.abc import Iterator

MAX_EVENT = 16 * 1024 * 1024  # bytes; one event may carry a whole file


class TooBigError(ValueError):
    """An event is longer than MAX_EVENT: no server of OpenCode's sends such a one."""


class Decoder:
    """Fed with what comes, in pieces of any size. OpenCode sends no ids, so there is none to resume at."""

    def __init__(self) -> None:
        self._rest = bytearray()  # of a line that has not ended
        self._data: list[bytes] = []
        self._size = 0  # of the data, its line breaks among it

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of each event that is whole by now. Raises TooBigError."""
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
