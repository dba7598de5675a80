"""The records of the fleet: servers, sessions, requests. All frozen; times are milliseconds since the Unix epoch."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import msgspec


class Status(Enum):
    """What a session is doing, as PRODUCT states name it. The values are the words of `status --json`."""

    WAITING_FOR_PERMISSION = "waiting_for_permission"
    WAITING_FOR_ANSWER = "waiting_for_answer"
    ERROR = "error"
    RETRY = "retry"
    BUSY = "busy"
    COMPLETED = "completed"
    IDLE = "idle"
    ABORTED = "aborted"
    DISCONNECTED = "disconnected"

    __hash__ = object.__hash__  # Enum's own is Python code, and states are looked up at every event

    @property
    def urgency(self) -> int:
        """0 is the worst. An aborted session is as quiet as an idle one."""
        return _URGENCY[self]

    @property
    def needs_person(self) -> bool:
        """Whether the session stands still until a person answers."""
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
    """One session as one server reports it. The same session may be reported by two servers."""

    server: str
    session: str


class TerminalLocation(msgspec.Struct, frozen=True):
    """Where the person sits, as the plugin's environment tells it; an empty string is unknown."""

    tty: str = ""
    tmux: str = ""
    tmux_pane: str = ""
    zellij: str = ""
    zellij_pane: str = ""
    terminal: str = ""
    kitty_window: str = ""
    kitty_socket: str = ""
    wezterm_pane: str = ""
    wezterm_socket: str = ""
    iterm_session: str = ""
    window_id: str = ""
    ssh: str = ""
    user: str = ""


class Service(msgspec.Struct, frozen=True):
    """An MCP or LSP server that an OpenCode runs, and how it is, in OpenCode's own words."""

    kind: str  # "mcp" or "lsp"
    name: str
    status: str  # "connected", "failed", "disabled", "needs_auth" …
    why: str = ""


class Source(Enum):
    """How we know of a server, the best first."""

    PLUGIN = "plugin"  # our plugin, or opencode-monitor's, inside OpenCode
    HTTP = "http"  # OpenCode's own HTTP server
    DASHBOARD = "dashboard"  # opencode-dashboard's plugin, which only reports
    LOCAL = "local"  # its process and its files: what it does is inferred

    @property
    def rank(self) -> int:
        """0 is the best."""
        return _RANK[self]


_RANK = {source: rank for rank, source in enumerate(Source)}


class Server(msgspec.Struct, frozen=True):
    """One instance of OpenCode: one directory in one process."""

    id: str
    name: str
    host: str
    directory: str
    project: str = ""
    branch: str = ""
    repository: str = ""  # where this is a linked git worktree: the directory of the repository's main one
    url: str | None = None  # only where an HTTP server really answers
    pid: int = 0
    opencode: str = ""
    plugin: str = ""
    source: Source = Source.PLUGIN
    verified: bool = True  # False: watch-only, nothing is ever answered on this link
    problem: str = ""  # why it is there and cannot be followed, and the one step that changes it
    place: TerminalLocation = msgspec.field(default_factory=TerminalLocation)
    services: tuple[Service, ...] = ()
    clock_skew: int = 0  # ms by which its machine's clock was ahead of ours when it connected
    connected: bool = True
    confirmed: bool = False  # a snapshot has come since it connected; until then what is shown may be old
    lost_at: int = 0  # when the link went down
    said_goodbye: bool = False
    runs_once: bool = False  # `opencode run`: it ends with its turn
    finished: bool = False  # it ended so, with nothing left to do: what is known of its sessions stays true

    @property
    def live(self) -> bool:
        """Whether what is known of its sessions is true now."""
        return self.connected and self.confirmed

    @property
    def read_only_reason(self) -> str:
        """Why its sessions can be seen and not answered, and the one step that changes that; "" where they can be."""
        if self.problem:
            return self.problem
        if self.source is Source.LOCAL:
            return "it is only seen from outside, as its plugin is not connected; opencode-tray doctor says why"
        if self.source is Source.DASHBOARD:
            return "opencode-dashboard's plugin only reports; run opencode-tray install-plugin over there"
        if not self.verified and self.source is Source.HTTP:
            return "it was found on the network; put it under [[servers]] in the settings"
        return "" if self.verified else "its plugin has no token"


class RequestKind(Enum):
    """What a session waits for."""

    PERMISSION = "permission"
    QUESTION = "question"


class Option(msgspec.Struct, frozen=True):
    """One answer that a question offers."""

    label: str
    description: str = ""


class Question(msgspec.Struct, frozen=True):
    """One question of a request; a request may hold several."""

    question: str
    header: str = ""
    options: tuple[Option, ...] = ()
    multiple: bool = False
    custom: bool = True


class Request(msgspec.Struct, frozen=True):
    """A permission or a set of questions that one session waits for. Bound to OpenCode's own request id."""

    id: str
    session: str
    kind: RequestKind
    title: str  # the tool ("bash"), or the question's header
    detail: str  # the command, the file and its changes, the address …; or the question
    complete: bool = True  # `detail` is all that is asked: nothing was cut or could not be shown
    always: tuple[str, ...] = ()  # the patterns that "always" would store
    questions: tuple[Question, ...] = ()
    asked_at: int = 0
    sending: bool = False  # answered here, not yet confirmed by OpenCode
    refusal: str = ""  # why the last answer from here did not get through
    draft: tuple[tuple[str, ...], ...] = ()  # what was chosen so far, a list for each question


class Failure(msgspec.Struct, frozen=True):
    """Why a turn ended badly: the error's name as OpenCode gives it, and its message."""

    name: str
    message: str = ""

    @property
    def aborted(self) -> bool:
        """Whether this is no failure at all: the person stopped the turn."""
        return self.name == "MessageAbortedError"


class Activity(Enum):
    """What OpenCode's own `session.status` says."""

    IDLE = "idle"
    BUSY = "busy"
    RETRY = "retry"


class Retry(msgspec.Struct, frozen=True):
    """A provider refused; OpenCode tries again by itself at `next_at` (0: unknown)."""

    attempt: int
    message: str
    next_at: int


class Outcome(Enum):
    """How the last turn ended, as long as that is news."""

    NONE = "none"
    COMPLETED = "completed"
    ABORTED = "aborted"


class Tokens(msgspec.Struct, frozen=True):
    """Tokens of a session or a message."""

    input: int = 0
    output: int = 0
    reasoning: int = 0
    cache_read: int = 0
    cache_write: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        """Add two counts."""
        return Tokens(
            self.input + other.input,
            self.output + other.output,
            self.reasoning + other.reasoning,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
        )

    def __sub__(self, other: Tokens) -> Tokens:
        """Take a count that was added before back."""
        return Tokens(
            self.input - other.input,
            self.output - other.output,
            self.reasoning - other.reasoning,
            self.cache_read - other.cache_read,
            self.cache_write - other.cache_write,
        )

    def without(self, other: Tokens) -> Tokens:
        """What is left of each count; never less than nothing."""
        left = self - other
        counts = (left.input, left.output, left.reasoning, left.cache_read, left.cache_write)
        return Tokens(*(max(0, count) for count in counts))

    @property
    def total(self) -> int:
        """What the model's context holds after this message."""
        return self.input + self.output + self.reasoning + self.cache_read + self.cache_write


class Message(msgspec.Struct, frozen=True):
    """The newest assistant message, as far as the fleet cares."""

    id: str
    role: str = "assistant"
    finish: str = ""
    error: str = ""
    error_text: str = ""
    agent: str = ""
    model: str = ""  # "provider/model"
    tokens: Tokens = Tokens()
    cost: float = 0.0
    completed: int = 0  # when it ended; 0: not yet
    summary: bool = False  # the text of a compaction
    output: str = ""  # the last line of its text, if it was told with the message


class Todo(msgspec.Struct, frozen=True):
    """One line of a session's todo list; status is OpenCode's word for it."""

    content: str
    status: str = "pending"


class Session(msgspec.Struct, frozen=True):
    """One session on one server. What can be derived from these fields is derived, not stored."""

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
    turn_started: int = 0  # 0: no turn under way
    turn_ended: int = 0  # when the last turn ended; 0: one is under way, or none is known
    turn_length: int = 0  # ms, of the last turn that ended
    tokens: Tokens = Tokens()  # its own
    cost: float = 0.0
    counted: bool = False  # tokens and cost come from the session itself, not from summing messages
    inherited_tokens: Tokens = Tokens()  # of the messages that were copied from another session; not in `tokens`
    inherited_cost: float = 0.0  # likewise
    context_tokens: int = 0  # in the model's context after the last assistant message that wrote something
    last: Message | None = None
    prompt: str = ""  # the newest message id of the person's
    last_message: str = ""  # the newest message id seen; OpenCode's ids ascend
    messages: int = 0
    last_output: str = ""
    tool: str = ""
    tool_since: int = 0  # when it began, as far as that was seen
    user_acted_at: int = 0  # when the person last answered it, or prompted it during a turn
    last_activity_at: int = 0  # when it last showed a sign of life, as precise as fleet_state.ACTIVITY_PRECISION
    todos: tuple[Todo, ...] = ()
    additions: int = 0
    deletions: int = 0
    files: int = 0
    requests: tuple[Request, ...] = ()  # its own, oldest first

    @property
    def touched(self) -> int:
        """When anything last happened in it: OpenCode tells `updated` seldom."""
        return max(self.updated, self.turn_started, self.turn_ended)

    @property
    def key(self) -> SessionKey:
        """The session's identity in the fleet."""
        return SessionKey(self.server, self.id)

    @property
    def is_child(self) -> bool:
        """Whether it is a subagent's session, even if its parent has not been seen."""
        return self.parent is not None

    @property
    def status(self) -> Status:
        """The status from its own facts alone: requests, then the error, then activity, then the outcome."""
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


class SessionUsage(msgspec.Struct, frozen=True):
    """What one session used today, and what it had used in all when it was seen last."""

    seen_tokens: int
    seen_cost: float
    tokens: int = 0
    cost: float = 0.0
    is_root: bool = True

    @property
    def is_used_root(self) -> bool:
        """Whether it counts as a session of the day."""
        return self.is_root and self.tokens > 0


class DayUsage(msgspec.Struct, frozen=True):
    """What was used in the local day that began at `day_start`, counted from `since` on; by session id."""

    day_start: int
    since: int
    sessions: dict[str, SessionUsage] = {}


_OUTCOME_STATUS = {
    Outcome.NONE: Status.IDLE,
    Outcome.COMPLETED: Status.COMPLETED,
    Outcome.ABORTED: Status.ABORTED,
}
