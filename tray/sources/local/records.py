"""A session as OpenCode keeps it on disk, in the database and in the older files alike."""

from __future__ import annotations

import msgspec

from tray.core.model import Tokens
from tray.sources.protocol.schema import MessageInfo, Number, PartInfo, SessionInfo, TodoInfo

NEWEST = 20  # messages read of a session


class ToolTime(msgspec.Struct):
    """When a tool began."""

    start: Number = 0


class ToolState(msgspec.Struct):
    """How far a tool is. `metadata` is absent until it has really begun, which is after a permission for it."""

    status: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")
    metadata: msgspec.Raw = msgspec.Raw(b"")
    time: ToolTime = msgspec.field(default_factory=ToolTime)


class StoredPart(PartInfo):
    """A part of the newest message."""

    id: str = ""
    callID: str = ""
    state: ToolState | None = None  # type: ignore[assignment]  # more of it than elsewhere

    @property
    def called(self) -> bool:
        """Whether this is a tool that has its arguments and has not ended; before, the model still writes them."""
        return self.type == "tool" and self.state is not None and self.state.status == "running"


class StoredSession(msgspec.Struct, frozen=True):
    """One session. Messages oldest first; parts are those of the newest one alone."""

    info: SessionInfo
    messages: tuple[MessageInfo, ...] = ()
    count: int = 0  # of all its messages
    parts: tuple[StoredPart, ...] = ()
    todos: tuple[TodoInfo, ...] = ()
    inherited: tuple[float, Tokens] = (0.0, Tokens())  # cost and tokens in the session's own sums that are not its own
