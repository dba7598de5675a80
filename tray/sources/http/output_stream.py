"""The last lines of texts that agents are writing, at intervals: OpenCode streams them word by word."""

from __future__ import annotations

import msgspec

from tray.core.events import OutputReported
from tray.core.text import last_line
from tray.sources.protocol.schema import OUTPUT, SHORT, Number, PartInfo

INTERVAL = 5_000  # ms between two reports of a session, as in our plugin
MAX_TEXT = 4 * OUTPUT  # characters kept of a text: its end
DRAFT_TIME = 5_000  # ms after a text was read by `draft`, during which more of it is kept
MAX_DRAFT = 8_000  # characters of it
MAX_SESSIONS = 200  # whose texts are kept


class _Times(msgspec.Struct):
    start: Number = 0  # of the agent's texts only: a prompt has no times
    end: Number = 0


class Part(PartInfo):
    """A part of a message, with its id."""

    id: str = ""
    time: _Times = msgspec.field(default_factory=_Times)


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
    is_written: bool  # now, by the agent


class OutputStream:
    """The newest text of each session. Times are in ms since the Unix epoch."""

    def __init__(self, server_id: str) -> None:
        self._server_id = server_id
        self._texts: dict[str, _Text] = {}  # by session, the most recently started last
        self._drafts: dict[str, int] = {}  # by session: until when more of its text is kept

    def start(self, part: Part, at: int) -> None:
        """Take a part that begins, or that is complete."""
        if part.type == "text" and not part.synthetic:
            self._texts.pop(part.sessionID, None)
            text = part.text[-self._kept(part.sessionID, at) :]
            is_written = part.time.start > 0 and not part.time.end
            self._texts[part.sessionID] = _Text(part.id, part.messageID, text, at, is_written)
            if len(self._texts) > MAX_SESSIONS:
                del self._texts[next(iter(self._texts))]

    def draft(self, session_id: str, at: int) -> str:
        """Return the end of the text that is being written; "" if there is none."""
        self._drafts = {s: until for s, until in self._drafts.items() if until > at} | {session_id: at + DRAFT_TIME}
        text = self._texts.get(session_id)
        return text.text if text is not None and text.is_written else ""

    def _kept(self, session_id: str, at: int) -> int:
        return MAX_DRAFT if self._drafts.get(session_id, 0) > at else MAX_TEXT

    def append(self, delta: Delta, at: int) -> OutputReported | None:
        """Append to a text; return its last line if the interval has passed. Other parts are the model's reasoning."""
        text = self._texts.get(delta.sessionID)
        if text is None or text.part_id != delta.partID or delta.field != "text":
            return None
        text.text = (text.text + delta.delta)[-self._kept(delta.sessionID, at) :]
        if at - text.reported_at < INTERVAL:
            return None
        text.reported_at = at
        line = last_line(text.text, OUTPUT)
        return OutputReported(self._server_id, delta.sessionID[:SHORT], text.message_id[:SHORT], line) if line else None
