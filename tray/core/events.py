"""What a source reports and what a person did: past-tense facts, one closed union, applied by `Fleet.apply` alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tray.core.answers import RequestKey
from tray.core.model import (
    Activity,
    Failure,
    Message,
    Request,
    RequestKind,
    Retry,
    Server,
    Service,
    Session,
    SessionKey,
    Todo,
    Tokens,
)


@dataclass(frozen=True, slots=True)
class Digest:
    """What a session's messages say, read once for a snapshot."""

    messages: int
    cost: float
    tokens: Tokens
    last: Message | None = None
    output: str = ""
    tool: str = ""
    tool_since: int = 0  # 0: not told
    partial: bool = False  # there are more messages than were read


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What one report says of a session. None: the report does not say."""

    id: str
    parent: str | None = None
    title: str | None = None
    directory: str | None = None
    agent: str | None = None
    model: str | None = None
    created: int | None = None
    updated: int | None = None
    archived: bool | None = None
    cost: float | None = None
    tokens: Tokens | None = None
    additions: int | None = None
    deletions: int | None = None
    files: int | None = None
    digest: Digest | None = None


@dataclass(frozen=True, slots=True)
class ServerConnected:
    """A server's link is up. What it runs is not confirmed before its first snapshot."""

    server: Server


@dataclass(frozen=True, slots=True)
class ServerLost:
    """The link is down: after a goodbye, or silently."""

    server_id: str
    goodbye: bool = False


@dataclass(frozen=True, slots=True)
class ServerForgotten:
    """Nothing more is to be shown of it: a better source has it, or it was taken out of the settings."""

    server_id: str


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """The truth of one moment. A section that is None could not be read: what was known stays."""

    server_id: str
    sessions: tuple[SessionFacts, ...] | None = None
    activities: Mapping[str, tuple[Activity, Retry | None]] | None = None
    permissions: tuple[Request, ...] | None = None
    questions: tuple[Request, ...] | None = None
    todos: Mapping[str, tuple[Todo, ...]] | None = None
    limits: Mapping[str, int] | None = None
    branch: str | None = None
    services: tuple[Service, ...] | None = None

    def requests(self, kind: RequestKind) -> tuple[Request, ...] | None:
        """The section of one kind."""
        return self.permissions if kind is RequestKind.PERMISSION else self.questions


@dataclass(frozen=True, slots=True)
class SessionReported:
    """A session was made or changed."""

    server_id: str
    facts: SessionFacts


@dataclass(frozen=True, slots=True)
class SessionDeleted:
    """A session is gone for good."""

    server_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class ActivityReported:
    """`session.status`: idle, busy, or waiting to try again."""

    server_id: str
    session_id: str
    activity: Activity
    retry: Retry | None = None


@dataclass(frozen=True, slots=True)
class SessionFailed:
    """A turn ended with an error, or was stopped by the person (`failure.aborted`)."""

    server_id: str
    session_id: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class RequestAsked:
    """A session waits for a person."""

    server_id: str
    request: Request


@dataclass(frozen=True, slots=True)
class RequestClosed:
    """A request was answered, rejected or dropped, by whomever."""

    server_id: str
    session_id: str
    request_id: str
    verdict: str = ""  # OpenCode's word for the answer to a permission, where it tells it


@dataclass(frozen=True, slots=True)
class MessageReported:
    """A message was written or changed. Told by its id, which ascends within a session."""

    server_id: str
    session_id: str
    message: Message


@dataclass(frozen=True, slots=True)
class OutputReported:
    """Text was written; `line` is the last line of it. Whether the agent wrote it, its message id tells."""

    server_id: str
    session_id: str
    message_id: str
    line: str


@dataclass(frozen=True, slots=True)
class ToolReported:
    """A tool runs (`running`) or has ended."""

    server_id: str
    session_id: str
    tool: str
    running: bool


@dataclass(frozen=True, slots=True)
class TodosReported:
    """The whole todo list of a session."""

    server_id: str
    session_id: str
    todos: tuple[Todo, ...]


@dataclass(frozen=True, slots=True)
class BranchReported:
    """The directory's version-control branch changed."""

    server_id: str
    branch: str


@dataclass(frozen=True, slots=True)
class InstanceDisposed:
    """OpenCode unloaded the directory: nothing runs and nothing waits there any more."""

    server_id: str


@dataclass(frozen=True, slots=True)
class Restored:
    """What the cache on disk remembers of the last run: shown as disconnected until confirmed."""

    servers: tuple[Server, ...]
    sessions: tuple[Session, ...]
    mutes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SessionSeen:
    """A person visited or dismissed a session: its error or finished turn is no news any more."""

    session: SessionKey


@dataclass(frozen=True, slots=True)
class AnswerSent:
    """A person answered here; what OpenCode makes of it is not known yet."""

    request: RequestKey


@dataclass(frozen=True, slots=True)
class AnswerFailed:
    """The answer did not get through: the request waits again."""

    request: RequestKey
    why: str


@dataclass(frozen=True, slots=True)
class AnswerDrafted:
    """A person chose this label, or took the choice back; nothing is sent yet."""

    request: RequestKey
    question: int  # which of the request's questions, from 0
    label: str


@dataclass(frozen=True, slots=True)
class MuteSet:
    """No notifications from `scope` before `until`. Scope: "" everything, "project:DIR", "session:ID"."""

    scope: str
    until: int


@dataclass(frozen=True, slots=True)
class MuteCleared:
    """Notifications from `scope` again."""

    scope: str


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing happened but time: what has run out by now goes."""


SourceEvent = (
    ServerConnected
    | ServerLost
    | ServerForgotten
    | SnapshotTaken
    | SessionReported
    | SessionDeleted
    | ActivityReported
    | SessionFailed
    | RequestAsked
    | RequestClosed
    | MessageReported
    | OutputReported
    | ToolReported
    | TodosReported
    | BranchReported
    | InstanceDisposed
)
PersonEvent = SessionSeen | AnswerSent | AnswerFailed | AnswerDrafted | MuteSet | MuteCleared
Event = SourceEvent | PersonEvent | Restored | TimePassed


@dataclass(frozen=True, slots=True)
class SessionChanged:
    """A session is new (`before` is None) or differs."""

    before: Session | None
    after: Session


@dataclass(frozen=True, slots=True)
class SessionRemoved:
    """A session is no longer shown."""

    before: Session


@dataclass(frozen=True, slots=True)
class ServerChanged:
    """A server is new, differs, or (`after` is None) is no longer shown."""

    server_id: str
    after: Server | None


@dataclass(frozen=True, slots=True)
class MutesChanged:
    """A mute was set, cleared or ran out."""


Change = SessionChanged | SessionRemoved | ServerChanged | MutesChanged
