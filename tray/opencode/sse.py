"""Server-sent events, as far as OpenCode sends them: bytes in, the data of whole events out."""

from __future__ import annotations

from collections.abc import Iterator

MAX_EVENT = 16 * 1024 * 1024  # bytes; one event may carry a whole file


class TooBigError(ValueError):
    """An event is longer than MAX_EVENT: no server of OpenCode's sends such a one."""


class Decoder:
    """Fed with what comes, in pieces of any size. OpenCode sends no ids, so there is none to resume at."""

    def __init__(self) -> None:
        self._rest = b""  # of a line that has not ended
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of each event that is whole by now. Raises TooBigError."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) + sum(map(len, self._data)) > MAX_EVENT:
            raise TooBigError
        for line in lines:
            text = line.removesuffix(b"\r")
            if text.startswith(b"data:"):
                self._data.append(text[5:].removeprefix(b" "))
            elif not text and self._data:
                event, self._data = b"\n".join(self._data), []
                yield event
