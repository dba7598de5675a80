"""The JSON records of sessions, messages and todos, in the spellings of all OpenCode versions, and their core records.

The decoder skips fields that are not declared here, so a large event costs a few microseconds. Texts are cut here: no
other module has to handle a title of 10 MB.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from tray.core.events import SessionFacts
from tray.core.lenient_json import decode_or
from tray.core.messages import Message, Tokens
from tray.core.numbers import moment, money, token_count, whole
from tray.core.paths import base_name
from tray.core.sessions import Activity, Failure, Retry, Todo
from tray.core.text import last_line

LONG = 2_000  # characters kept of a command, a question, an error
MAX_EXTENSION = 12  # characters, without the dot
SHORT = 500  # characters kept of a title, a name, an id
OUTPUT = 200  # characters kept of the last line of output
MAX_TODOS = 100  # of one session
MAX_PATH = 4096  # characters kept of a directory

Number = int | float


class _Time(msgspec.Struct):
    created: Number = 0
    updated: Number = 0
    completed: Number | None = None
    archived: Number | None = None


class _Cache(msgspec.Struct):
    read: Number = 0
    write: Number = 0


class TokensInfo(msgspec.Struct):
    """The token counts of a message or session."""

    input: Number = 0
    output: Number = 0
    reasoning: Number = 0
    cache: _Cache = msgspec.field(default_factory=_Cache)

    def to_core(self) -> Tokens:
        """Return the record of core."""
        counts = (self.input, self.output, self.reasoning, self.cache.read, self.cache.write)
        return Tokens(*map(token_count, counts))

    @classmethod
    def from_core(cls, tokens: Tokens) -> TokensInfo:
        """Return the JSON record."""
        return cls(tokens.input, tokens.output, tokens.reasoning, _Cache(tokens.cache_read, tokens.cache_write))


class _Model(msgspec.Struct):
    id: str = ""
    providerID: str = ""
    modelID: str = ""


class _Summary(msgspec.Struct):
    additions: Number = 0
    deletions: Number = 0
    files: Number = 0


class _ErrorText(msgspec.Struct):
    message: str = ""


class ErrorInfo(msgspec.Struct):
    """The error of a turn or a message."""

    name: str = "UnknownError"
    data: _ErrorText = msgspec.field(default_factory=_ErrorText)

    def to_core(self) -> Failure:
        """Return the record of core."""
        return Failure(self.name[:SHORT], self.data.message[:LONG])


class MessageInfo(msgspec.Struct):
    """A message, as in `message.updated` and in lists of messages."""

    id: str
    role: str
    sessionID: str = ""
    agent: str = ""
    mode: str = ""
    modelID: str = ""
    providerID: str = ""
    model: _Model | None = None
    finish: str = ""
    error: ErrorInfo | None = None
    cost: Number = 0
    tokens: TokensInfo | None = None
    time: _Time = msgspec.field(default_factory=_Time)
    completed: Number | None = None
    summary: object = None
    output: str = ""

    def to_core(self) -> Message:
        """Return the record of core."""
        model, failure = self.model, self.error.to_core() if self.error else None
        return Message(
            id=self.id[:SHORT],
            role=self.role,
            finish=self.finish[:SHORT],
            error=failure.name if failure else "",
            error_text=failure.message if failure else "",
            agent=(self.agent or self.mode)[:SHORT],
            model=_model(self.providerID, self.modelID) or (_model(model.providerID, model.modelID) if model else ""),
            tokens=self.tokens.to_core() if self.tokens else Tokens(),
            cost=money(self.cost),
            completed=whole(self.time.completed or self.completed or 0),
            summary=self.summary is True,
            output=last_line(self.output, OUTPUT),
        )


class SessionInfo(msgspec.Struct):
    """A session, with all fields or only those that changed."""

    id: str
    parentID: str | None = None
    title: str | None = None
    directory: str | None = None
    agent: str | None = None
    model: _Model | None = None
    cost: Number | None = None
    tokens: TokensInfo | None = None
    time: _Time | None = None
    summary: _Summary | None = None

    def to_core(self) -> SessionFacts:
        """Return the record of core. Absent fields are None."""
        time, summary, model = self.time, self.summary, self.model
        return SessionFacts(
            id=self.id[:SHORT],
            parent=_cut(self.parentID) or None,
            title=_cut(self.title),
            directory=_cut(self.directory, MAX_PATH),
            agent=_cut(self.agent),
            model=_model(model.providerID, model.id or model.modelID) if model else None,
            created=(moment(time.created) if time else 0) or None,
            updated=(moment(time.updated) if time else 0) or None,
            archived=None if time is None else bool(time.archived),
            cost=None if self.cost is None else money(self.cost),
            tokens=self.tokens.to_core() if self.tokens else None,
            additions=whole(summary.additions) if summary else None,
            deletions=whole(summary.deletions) if summary else None,
            files=whole(summary.files) if summary else None,
        )


class StatusInfo(msgspec.Struct):
    """The activity of a session, as in `session.status`."""

    type: Literal["idle", "busy", "retry"]
    attempt: Number = 0
    message: str = ""
    next: Number = 0

    def to_core(self) -> tuple[Activity, Retry | None]:
        """Return the records of core."""
        if self.type != "retry":
            return Activity(self.type), None
        return Activity.RETRY, Retry(whole(self.attempt), self.message[:LONG], moment(self.next))


class TodoInfo(msgspec.Struct):
    """An entry of a todo list."""

    content: str
    status: str = "pending"


def todos_to_core(todos: list[TodoInfo]) -> tuple[Todo, ...]:
    """Return the records of core, at most MAX_TODOS."""
    return tuple(Todo(todo.content[:SHORT], todo.status[:SHORT]) for todo in todos[:MAX_TODOS])


def _cut(text: str | None, limit: int = SHORT) -> str | None:
    return None if text is None else text[:limit]


def _model(provider: str, model: str) -> str:
    return f"{provider}/{model}"[:SHORT] if model else ""


class _FileDiff(msgspec.Struct):
    file: str = ""
    additions: Number = 0
    deletions: Number = 0


class _ToolMetadata(msgspec.Struct):
    filediff: _FileDiff | None = None


class _ToolInput(msgspec.Struct):
    filePath: str = ""
    content: str | None = None


class _ToolTimes(msgspec.Struct):
    start: Number = 0


class _ToolState(msgspec.Struct):
    status: str = ""
    time: _ToolTimes = msgspec.field(default_factory=_ToolTimes)
    input: msgspec.Raw = msgspec.Raw(b"{}")
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


class Edit(NamedTuple):
    """A change of a file."""

    extension: str
    added: int  # lines
    removed: int


def extension_of(path: str) -> str:
    """Return the extension of a file in lower case, such as ".py"; "" if it has none, or a strange one."""
    _, dot, extension = base_name(path).lstrip(".").rpartition(".")
    return f".{extension.lower()}" if dot and extension.isalnum() and len(extension) <= MAX_EXTENSION else ""


class PartInfo(msgspec.Struct):
    """A part of a message: a tool or a text."""

    type: str
    sessionID: str = ""
    messageID: str = ""
    text: str = ""
    tool: str = ""
    callID: str = ""
    state: _ToolState | None = None
    synthetic: bool = False

    @property
    def running(self) -> bool:
        """Whether the tool has not ended."""
        return self.state is not None and self.state.status in ("pending", "running")

    @property
    def unique_call(self) -> str:
        """The id of the call with its start: models repeat the ids of calls in other sessions; "": there is no id."""
        start = whole(self.state.time.start) if self.state is not None else 0
        return f"{self.callID[:SHORT]}@{start}" if self.callID else ""

    @property
    def edit(self) -> Edit | None:
        """The change that a completed tool has made: of `edit`, or of `write` without what it has replaced."""
        if self.state is None or self.state.status != "completed" or self.tool not in ("edit", "write"):
            return None
        diff = decode_or(bytes(self.state.metadata), _ToolMetadata, _ToolMetadata()).filediff
        if diff is not None:
            return Edit(extension_of(diff.file), whole(diff.additions), whole(diff.deletions))
        given = decode_or(bytes(self.state.input), _ToolInput, _ToolInput())
        return Edit(extension_of(given.filePath), len(given.content.splitlines()), 0) if given.content else None
