"""A session as OpenCode stores it, in the database or in the older JSON files."""

from __future__ import annotations

import msgspec

from tray.core.messages import Tokens
from tray.sources.protocol.schema import MessageInfo, Number, PartInfo, SessionInfo, TodoInfo

MAX_SESSIONS = 50  # read from one database or storage folder
MAX_MESSAGES = 20  # read of one session, the newest ones
MAX_PARTS = 40  # read of one message, the newest ones
MAX_TODOS = 100  # read of one session


class ToolTime(msgspec.Struct):
    """When a tool was called."""

    start: Number = 0


class ToolState(msgspec.Struct):
    """The state of a tool call. `metadata` is absent until the tool runs, which is after its permission was granted."""

    status: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")
    metadata: msgspec.Raw = msgspec.Raw(b"")
    time: ToolTime = msgspec.field(default_factory=ToolTime)


class StoredPart(PartInfo):
    """A part of the newest message."""

    id: str = ""
    state: ToolState | None = None  # type: ignore[assignment]  # more fields than in PartInfo

    @property
    def called(self) -> bool:
        """Whether it is a tool call with complete arguments that has not ended."""
        return self.type == "tool" and self.state is not None and self.state.status == "running"


class StoredSession(msgspec.Struct, frozen=True):
    """One session. `messages` are in order, the oldest first; `parts` are those of the last one."""

    info: SessionInfo
    messages: tuple[MessageInfo, ...] = ()
    count: int = 0  # of all its messages
    parts: tuple[StoredPart, ...] = ()
    todos: tuple[TodoInfo, ...] = ()
    inherited: tuple[float, Tokens] = (0.0, Tokens())  # cost and tokens of copied messages, included in those of `info`

    @property
    def updated(self) -> float:
        """When it was last changed, in ms since the Unix epoch; 0 if unknown."""
        return self.info.time.updated if self.info.time is not None else 0
