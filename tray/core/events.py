"""What a source reports and what a person did: past-tense facts, one closed union, applied by `Fleet.apply` alone."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tray.core.answers import RequestKey
from tray.core.model import (
    Activity,
    DayUsage,
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


class Digest(msgspec.Struct, frozen=True):
    """What a session's messages say, read once for a snapshot.

    If some of them are inherited, all that are not have been read, even if it is `partial`: copies are the oldest.
    """

    messages: int
    cost: float  # without that of inherited messages
    tokens: Tokens
    last: Message | None = None
    output: str = ""
    tool: str = ""
    tool_since: int = 0  # 0: not told
    partial: bool = False  # there are more messages than were read
    inherited_cost: float = 0.0
    inherited_tokens: Tokens = Tokens()


class SessionFacts(msgspec.Struct, frozen=True):
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


class ServerConnected(msgspec.Struct, frozen=True):
    """A server's link is up. What it runs is not confirmed before its first snapshot."""

    server: Server


class ServerLost(msgspec.Struct, frozen=True):
    """The link is down: after a goodbye, or silently."""

    server_id: str
    goodbye: bool = False


class ServerForgotten(msgspec.Struct, frozen=True):
    """Nothing more is to be shown of it: a better source has it, or it was taken out of the settings."""

    server_id: str


class SnapshotTaken(msgspec.Struct, frozen=True):
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


class SessionReported(msgspec.Struct, frozen=True):
    """A session was made or changed."""

    server_id: str
    facts: SessionFacts


class SessionDeleted(msgspec.Struct, frozen=True):
    """A session is gone for good."""

    server_id: str
    session_id: str


class ActivityReported(msgspec.Struct, frozen=True):
    """`session.status`: idle, busy, or waiting to try again."""

    server_id: str
    session_id: str
    activity: Activity
    retry: Retry | None = None


class SessionFailed(msgspec.Struct, frozen=True):
    """A turn ended with an error, or was stopped by the person (`failure.aborted`)."""

    server_id: str
    session_id: str
    failure: Failure


class RequestAsked(msgspec.Struct, frozen=True):
    """A session waits for a person."""

    server_id: str
    request: Request


class RequestClosed(msgspec.Struct, frozen=True):
    """A request was answered, rejected or dropped, by whomever."""

    server_id: str
    session_id: str
    request_id: str
    verdict: str = ""  # OpenCode's word for the answer to a permission, where it tells it


class MessageReported(msgspec.Struct, frozen=True):
    """A message was written or changed. Told by its id, which ascends within a session."""

    server_id: str
    session_id: str
    message: Message


class OutputReported(msgspec.Struct, frozen=True):
    """Text was written; `line` is the last line of it. Whether the agent wrote it, its message id tells."""

    server_id: str
    session_id: str
    message_id: str
    line: str


class ToolReported(msgspec.Struct, frozen=True):
    """A tool runs (`running`) or has ended."""

    server_id: str
    session_id: str
    tool: str
    running: bool


class TodosReported(msgspec.Struct, frozen=True):
    """The whole todo list of a session."""

    server_id: str
    session_id: str
    todos: tuple[Todo, ...]


class BranchReported(msgspec.Struct, frozen=True):
    """The directory's version-control branch changed."""

    server_id: str
    branch: str


class InstanceDisposed(msgspec.Struct, frozen=True):
    """OpenCode unloaded the directory: nothing runs and nothing waits there any more."""

    server_id: str


class Restored(msgspec.Struct, frozen=True):
    """What the cache on disk remembers of the last run: shown as disconnected until confirmed."""

    servers: tuple[Server, ...]
    sessions: tuple[Session, ...]
    mutes: Mapping[str, int]
    usage: DayUsage | None = None  # of the last day of that run


class SessionSeen(msgspec.Struct, frozen=True):
    """A person visited or dismissed a session: its error or finished turn is no news any more."""

    session: SessionKey


class AnswerSent(msgspec.Struct, frozen=True):
    """A person answered here; what OpenCode makes of it is not known yet."""

    request: RequestKey


class AnswerFailed(msgspec.Struct, frozen=True):
    """The answer did not get through: the request waits again."""

    request: RequestKey
    why: str


class AnswerDrafted(msgspec.Struct, frozen=True):
    """A person chose this label, or took the choice back; nothing is sent yet."""

    request: RequestKey
    question: int  # which of the request's questions, from 0
    label: str


class MuteSet(msgspec.Struct, frozen=True):
    """No notifications from `scope` before `until`. Scope: "" everything, "project:DIR", "session:ID"."""

    scope: str
    until: int


class MuteCleared(msgspec.Struct, frozen=True):
    """Notifications from `scope` again."""

    scope: str


class TimePassed(msgspec.Struct, frozen=True):
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


class SessionChanged(msgspec.Struct, frozen=True):
    """A session is new (`before` is None) or differs."""

    before: Session | None
    after: Session


class SessionRemoved(msgspec.Struct, frozen=True):
    """A session is no longer shown."""

    before: Session


class ServerChanged(msgspec.Struct, frozen=True):
    """A server is new, differs, or (`after` is None) is no longer shown."""

    server_id: str
    after: Server | None


class MutesChanged(msgspec.Struct, frozen=True):
    """A mute was set, cleared or ran out."""


Change = SessionChanged | SessionRemoved | ServerChanged | MutesChanged
