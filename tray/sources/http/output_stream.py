"""The last lines of texts that agents are writing, at intervals: OpenCode streams them word by word."""

from __future__ import annotations

import msgspec

from tray.core.events import OutputReported
from tray.core.text import last_line
from tray.sources.protocol.schema import OUTPUT, SHORT, PartInfo

INTERVAL = 5_000  # ms between two reports of a session, as in our plugin
MAX_TEXT = 4 * OUTPUT  # characters kept of a text: its end
MAX_SESSIONS = 200  # whose texts are kept


class Part(PartInfo):
    """A part of a message, with its id."""

    id: str = ""


class Delta(msgspec.Struct):
    """`message.part.delta`: text that is appended to a part."""

    sessionID: str
    partID: str
    delta: str
    messageID: str = ""
    field: str = "text"


class _Text(msgspec.Struct):
    part_id: str
    message_id: str
    text: str
    reported_at: int  # ms since the Unix epoch


class OutputStream:
    """The newest text of each session. Times are in ms since the Unix epoch."""

    def __init__(self, server_id: str) -> None:
        self._server_id = server_id
        self._texts: dict[str, _Text] = {}  # by session, the most recently started last

    def start(self, part: Part, at: int) -> None:
        """Take a part that begins, or that is complete."""
        if part.type == "text" and not part.synthetic:
            self._texts.pop(part.sessionID, None)
            self._texts[part.sessionID] = _Text(part.id, part.messageID, part.text[-MAX_TEXT:], at)
            if len(self._texts) > MAX_SESSIONS:
                del self._texts[next(iter(self._texts))]

    def append(self, delta: Delta, at: int) -> OutputReported | None:
        """Append to a text; return its last line if the interval has passed. Other parts are the model's reasoning."""
        text = self._texts.get(delta.sessionID)
        if text is None or text.part_id != delta.partID or delta.field != "text":
            return None
        text.text = (text.text + delta.delta)[-MAX_TEXT:]
        if at - text.reported_at < INTERVAL:
            return None
        text.reported_at = at
        line = last_line(text.text, OUTPUT)
        return OutputReported(self._server_id, delta.sessionID[:SHORT], text.message_id[:SHORT], line) if line else None
