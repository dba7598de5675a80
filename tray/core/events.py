"""Events: what a source reports or the user did, in the past tense. `Fleet.apply` is the only consumer."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tray.core.answers import RequestKey
from tray.core.history import TranscriptTurn
from tray.core.messages import Message, Tokens
from tray.core.plan_limits import PlanLimit
from tray.core.servers import Server, Service
from tray.core.sessions import Activity, Failure, Request, RequestKind, Retry, Session, SessionKey, Todo


class Digest(msgspec.Struct, frozen=True):
    """The sums and the newest values of a session's messages, computed once for a snapshot.

    If some messages are inherited, all others have been read even if the digest is `partial`: copies are the oldest.
    """

    messages: int
    cost: float  # without the inherited messages
    tokens: Tokens
    last: Message | None = None
    output: str = ""
    prompt: str = ""  # id of the newest message of the user; "": not known
    prompt_text: str = ""  # its beginning; "": not known
    tool: str = ""
    tool_since: int = 0  # 0: not known
    partial: bool = False  # there are more messages than were read
    inherited_cost: float = 0.0
    inherited_tokens: Tokens = Tokens()


class SessionFacts(msgspec.Struct, frozen=True):
    """The fields of one report about a session. None: not in the report."""

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
    """A server connected. Its sessions are not confirmed before its first snapshot."""

    server: Server


class ServerLost(msgspec.Struct, frozen=True):
    """A server disconnected, with or without a goodbye."""

    server_id: str
    goodbye: bool = False


class ServerForgotten(msgspec.Struct, frozen=True):
    """A server is no longer shown: a better source reports it, or it was removed from the settings."""

    server_id: str


class SnapshotTaken(msgspec.Struct, frozen=True):
    """The complete state of a server at one moment. A section that is None could not be read and stays as it was."""

    server_id: str
    sessions: tuple[SessionFacts, ...] | None = None
    activities: Mapping[str, tuple[Activity, Retry | None]] | None = None
    permissions: tuple[Request, ...] | None = None
    questions: tuple[Request, ...] | None = None
    todos: Mapping[str, tuple[Todo, ...]] | None = None
    limits: Mapping[str, int] | None = None
    branch: str | None = None
    services: tuple[Service, ...] | None = None
    plan_limits: tuple[PlanLimit, ...] | None = None

    def requests(self, kind: RequestKind) -> tuple[Request, ...] | None:
        """Return the requests of one kind."""
        return self.permissions if kind is RequestKind.PERMISSION else self.questions


class SessionsShared(msgspec.Struct, frozen=True):
    """Another tray published a server of its own, and whole sessions as it shows them."""

    server: Server
    sessions: tuple[Session, ...] = ()
    removed: tuple[str, ...] = ()  # ids of sessions
    is_complete: bool = False  # whether the server has no other sessions


class SessionReported(msgspec.Struct, frozen=True):
    """A session was created or changed."""

    server_id: str
    facts: SessionFacts


class SessionDeleted(msgspec.Struct, frozen=True):
    """A session was deleted."""

    server_id: str
    session_id: str


class ActivityReported(msgspec.Struct, frozen=True):
    """`session.status`: idle, busy or retrying."""

    server_id: str
    session_id: str
    activity: Activity
    retry: Retry | None = None


class SessionFailed(msgspec.Struct, frozen=True):
    """A turn ended with an error, or the user stopped it (`failure.aborted`)."""

    server_id: str
    session_id: str
    failure: Failure


class RequestAsked(msgspec.Struct, frozen=True):
    """A session waits for an answer of the user."""

    server_id: str
    request: Request


class RequestClosed(msgspec.Struct, frozen=True):
    """A request was answered, rejected or dropped, here or elsewhere."""

    server_id: str
    session_id: str
    request_id: str
    verdict: str = ""  # OpenCode's value of the answer to a permission, if it is reported


class MessageReported(msgspec.Struct, frozen=True):
    """A message was written or changed. Ids ascend within a session."""

    server_id: str
    session_id: str
    message: Message


class StepsReported(msgspec.Struct, frozen=True):
    """Responses of the model have ended, or more is known of them: what the history stores. Nothing else changes."""

    server_id: str
    session_id: str
    messages: tuple[Message, ...]


class TurnsReported(msgspec.Struct, frozen=True):
    """Turns have ended, as the transcript of an agent tells them: what the history stores. Nothing else changes."""

    server_id: str
    session_id: str
    turns: tuple[TranscriptTurn, ...]


class FileEdited(msgspec.Struct, frozen=True):
    """A tool has changed a file: what the history stores. Nothing else changes."""

    server_id: str
    session_id: str
    call_id: str  # of the tool
    extension: str  # of the file, in lower case, such as ".py"; "": it has none
    added: int  # lines
    removed: int


class OutputReported(msgspec.Struct, frozen=True):
    """Text was written. The message id tells whether the agent or the user wrote it."""

    server_id: str
    session_id: str
    message_id: str
    line: str  # its last line
    beginning: str = ""  # of the text, if the event contains it


class ToolReported(msgspec.Struct, frozen=True):
    """A tool started (`running`) or ended."""

    server_id: str
    session_id: str
    tool: str
    running: bool


class TodosReported(msgspec.Struct, frozen=True):
    """The complete todo list of a session."""

    server_id: str
    session_id: str
    todos: tuple[Todo, ...]


class BranchReported(msgspec.Struct, frozen=True):
    """The directory's version-control branch changed."""

    server_id: str
    branch: str


class InstanceDisposed(msgspec.Struct, frozen=True):
    """OpenCode unloaded the directory: no turn and no request is left."""

    server_id: str


class Restored(msgspec.Struct, frozen=True):
    """The cached state of the last run, shown as disconnected until it is confirmed."""

    servers: tuple[Server, ...]
    sessions: tuple[Session, ...]
    mutes: Mapping[str, int]


class SessionSeen(msgspec.Struct, frozen=True):
    """The user visited or dismissed a session: its error or finished turn counts as seen."""

    session: SessionKey


class AnswerSent(msgspec.Struct, frozen=True):
    """An answer was sent from here; OpenCode has not confirmed it yet."""

    request: RequestKey


class AnswerFailed(msgspec.Struct, frozen=True):
    """An answer was not accepted: the request is pending again."""

    request: RequestKey
    why: str


class AnswerDrafted(msgspec.Struct, frozen=True):
    """The user added a label to the draft of an answer, or removed it; nothing is sent yet."""

    request: RequestKey
    question: int  # which of the request's questions, from 0
    label: str


class MuteSet(msgspec.Struct, frozen=True):
    """A scope was muted until `until` (ms). Scopes: "" everything, "project:DIR", "session:ID"."""

    scope: str
    until: int


class MuteCleared(msgspec.Struct, frozen=True):
    """A scope was unmuted."""

    scope: str


class TimePassed(msgspec.Struct, frozen=True):
    """Time passed: what has expired is removed."""


SourceEvent = (
    ServerConnected
    | ServerLost
    | ServerForgotten
    | SnapshotTaken
    | SessionsShared
    | SessionReported
    | SessionDeleted
    | ActivityReported
    | SessionFailed
    | RequestAsked
    | RequestClosed
    | MessageReported
    | StepsReported
    | TurnsReported
    | FileEdited
    | OutputReported
    | ToolReported
    | TodosReported
    | BranchReported
    | InstanceDisposed
)
UserEvent = SessionSeen | AnswerSent | AnswerFailed | AnswerDrafted | MuteSet | MuteCleared
Event = SourceEvent | UserEvent | Restored | TimePassed


class SessionChanged(msgspec.Struct, frozen=True):
    """A session was added (`before` is None) or changed."""

    before: Session | None
    after: Session


class SessionRemoved(msgspec.Struct, frozen=True):
    """A session was removed."""

    before: Session


class ServerChanged(msgspec.Struct, frozen=True):
    """A server was added, changed, or removed (`after` is None)."""

    server_id: str
    after: Server | None


class MutesChanged(msgspec.Struct, frozen=True):
    """A mute was set, cleared or expired."""


Change = SessionChanged | SessionRemoved | ServerChanged | MutesChanged
