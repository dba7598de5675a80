"""What an agent is writing, told now and then: OpenCode streams it word by word."""

from __future__ import annotations

import msgspec

from tray.core.events import OutputReported
from tray.core.text import last_line
from tray.sources.protocol.schema import OUTPUT, SHORT, PartInfo

EVERY = 5_000  # ms between two lines of one session (as our plugin tells them)
TAIL = 4 * OUTPUT  # characters kept of what is being written
MOST = 200  # sessions that write at once


class Part(PartInfo):
    """A part of a message, with its id."""

    id: str = ""


class Delta(msgspec.Struct):
    """`message.part.delta`: some words more of a text."""

    sessionID: str
    partID: str
    delta: str
    messageID: str = ""
    field: str = "text"


class _Text:
    def __init__(self, part: str, message: str, tail: str, at: int) -> None:
        self.part = part
        self.message = message
        self.tail = tail
        self.told_at = at


class TextStream:
    """The texts that are being written, one a session."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._texts: dict[str, _Text] = {}

    def part(self, part: Part, at: int) -> None:
        """A text begins, or is told whole."""
        if part.type == "text" and not part.synthetic:
            self._texts.pop(part.sessionID, None)
            self._texts[part.sessionID] = _Text(part.id, part.messageID, part.text[-TAIL:], at)
            if len(self._texts) > MOST:
                del self._texts[next(iter(self._texts))]

    def delta(self, delta: Delta, at: int) -> OutputReported | None:
        """Some words more; the line that they are in, if it is time to tell."""
        text = self._texts.get(delta.sessionID)
        if text is None or text.part != delta.partID or delta.field != "text":
            return None  # what the model thinks is no output
        text.tail = (text.tail + delta.delta)[-TAIL:]
        if at - text.told_at < EVERY:
            return None
        text.told_at = at
        line = last_line(text.tail, OUTPUT)
        return OutputReported(self._server, delta.sessionID[:SHORT], text.message[:SHORT], line) if line else None
