"""Sessions and the requests that they wait for. All records are frozen. Times are in ms since the Unix epoch."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import msgspec

from tray.core.messages import Message, Tokens


class Status(Enum):
    """The state of a session. The values are those of `status --json`."""

    WAITING_FOR_PERMISSION = "waiting_for_permission"
    WAITING_FOR_ANSWER = "waiting_for_answer"
    ERROR = "error"
    RETRY = "retry"
    BUSY = "busy"
    COMPLETED = "completed"
    IDLE = "idle"
    ABORTED = "aborted"
    DISCONNECTED = "disconnected"

    __hash__ = object.__hash__  # Enum's own is slower, and every event looks states up

    @property
    def urgency(self) -> int:
        """The rank of the state; 0 is the most urgent. Aborted ranks like idle."""
        return _URGENCY[self]

    @property
    def needs_user(self) -> bool:
        """Whether the session waits until the user answers."""
        return self in (Status.WAITING_FOR_PERMISSION, Status.WAITING_FOR_ANSWER)


_URGENCY = {
    Status.WAITING_FOR_PERMISSION: 0,
    Status.WAITING_FOR_ANSWER: 1,
    Status.ERROR: 2,
    Status.RETRY: 3,
    Status.BUSY: 4,
    Status.COMPLETED: 5,
    Status.IDLE: 6,
    Status.ABORTED: 6,
    Status.DISCONNECTED: 7,
}


class SessionKey(NamedTuple):
    """One session of one server. Two servers may report the same session."""

    server: str
    session: str


def session_scope(session_id: str) -> str:
    """Return the mute scope of one session."""
    return f"session:{session_id}"


class RequestKind(Enum):
    """The kinds of requests."""

    PERMISSION = "permission"
    QUESTION = "question"


class Option(msgspec.Struct, frozen=True):
    """One option of a question."""

    label: str
    description: str = ""


class Question(msgspec.Struct, frozen=True):
    """One question of a request. A request may contain several."""

    question: str
    header: str = ""
    options: tuple[Option, ...] = ()
    multiple: bool = False
    custom: bool = True


class Request(msgspec.Struct, frozen=True):
    """A permission or a set of questions that a session waits for. The id is OpenCode's own."""

    id: str
    session: str
    kind: RequestKind
    title: str  # the tool ("bash"), or the question's header
    detail: str  # the command, the file with its changes, the URL …; or the question
    complete: bool = True  # whether `detail` contains everything that is asked for
    read_only_reason: str = ""  # why only its terminal can answer it; "" if its server decides
    always: tuple[str, ...] = ()  # the patterns that "always" would store
    questions: tuple[Question, ...] = ()
    asked_at: int = 0
    sending: bool = False  # an answer was sent from here and is not confirmed yet
    refusal: str = ""  # why the last answer from here was not accepted
    draft: tuple[tuple[str, ...], ...] = ()  # the labels chosen so far, for each question


class Failure(msgspec.Struct, frozen=True):
    """The error that ended a turn: OpenCode's name of it, and its message."""

    name: str
    message: str = ""

    @property
    def aborted(self) -> bool:
        """Whether the user stopped the turn, which is not a failure."""
        return self.name == "MessageAbortedError"


class Activity(Enum):
    """The values of OpenCode's `session.status`."""

    IDLE = "idle"
    BUSY = "busy"
    RETRY = "retry"


class Retry(msgspec.Struct, frozen=True):
    """The provider refused; OpenCode retries at `next_at` (ms since the epoch; 0: unknown)."""

    attempt: int
    message: str
    next_at: int


class Outcome(Enum):
    """How the last turn ended, until the user has seen it."""

    NONE = "none"
    COMPLETED = "completed"
    ABORTED = "aborted"


class Todo(msgspec.Struct, frozen=True):
    """One item of a session's todo list, with OpenCode's status of it."""

    content: str
    status: str = "pending"


class Session(msgspec.Struct, frozen=True):
    """One session of one server. Derived values are properties, not fields."""

    id: str
    server: str
    parent: str | None = None
    title: str = ""
    directory: str = ""
    agent: str = ""
    model: str = ""  # "provider/model"
    created: int = 0
    updated: int = 0
    archived: bool = False
    activity: Activity = Activity.IDLE
    retry: Retry | None = None
    failure: Failure | None = None
    outcome: Outcome = Outcome.NONE
    status_since: int = 0
    turn_started: int = 0  # 0: no turn is running
    turn_ended: int = 0  # when the last turn ended; 0: a turn is running, or none is known
    turn_length: int = 0  # ms, of the last turn that ended
    tokens: Tokens = Tokens()  # without subagents and without inherited messages
    cost: float = 0.0
    counted: bool = False  # whether tokens and cost are OpenCode's own sums
    inherited_tokens: Tokens = Tokens()  # of messages that were copied from another session
    inherited_cost: float = 0.0  # the same
    context_tokens: int = 0  # in the model's context after the last assistant message with output
    last: Message | None = None
    prompt: str = ""  # id of the newest message of the user
    prompt_text: str = ""  # its beginning; "": not known
    last_message: str = ""  # id of the newest message; OpenCode's ids ascend
    messages: int = 0
    last_output: str = ""
    tool: str = ""
    tool_since: int = 0  # when the tool started or was first seen
    user_acted_at: int = 0  # when the user last answered it, or prompted it during a turn
    last_activity_at: int = 0  # when it last changed, as precise as fleet_state.ACTIVITY_PRECISION
    todos: tuple[Todo, ...] = ()
    additions: int = 0
    deletions: int = 0
    files: int = 0
    requests: tuple[Request, ...] = ()  # its own pending ones, oldest first

    @property
    def touched(self) -> int:
        """When anything last happened in the session: OpenCode reports `updated` seldom."""
        return max(self.updated, self.turn_started, self.turn_ended)

    @property
    def key(self) -> SessionKey:
        """The session's identity in the fleet."""
        return SessionKey(self.server, self.id)

    @property
    def is_child(self) -> bool:
        """Whether it is a subagent session, even if its parent is not known."""
        return self.parent is not None

    @property
    def status(self) -> Status:
        """The state without its subagents: requests first, then the error, the activity and the outcome."""
        if any(r.kind is RequestKind.PERMISSION for r in self.requests):
            return Status.WAITING_FOR_PERMISSION
        if self.requests:
            return Status.WAITING_FOR_ANSWER
        if self.failure is not None:
            return Status.ERROR
        if self.activity is Activity.RETRY:
            return Status.RETRY
        if self.activity is Activity.BUSY:
            return Status.BUSY
        return _OUTCOME_STATUS[self.outcome]


_OUTCOME_STATUS = {
    Outcome.NONE: Status.IDLE,
    Outcome.COMPLETED: Status.COMPLETED,
    Outcome.ABORTED: Status.ABORTED,
}
