"""The records of the fleet: servers, sessions, requests. All are frozen. Times are in ms since the Unix epoch."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import msgspec


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


class TerminalLocation(msgspec.Struct, frozen=True):
    """The terminal in which OpenCode runs, from the plugin's environment. An empty string is unknown."""

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
    """An MCP or LSP server that OpenCode runs, with its status as OpenCode reports it."""

    kind: str  # "mcp" or "lsp"
    name: str
    status: str  # "connected", "failed", "disabled", "needs_auth" …
    why: str = ""


class Source(Enum):
    """Where the reports about a server come from, the best first."""

    PLUGIN = "plugin"  # our plugin, or opencode-monitor's, inside OpenCode
    HTTP = "http"  # OpenCode's own HTTP server
    DASHBOARD = "dashboard"  # opencode-dashboard's plugin: it only reports
    LOCAL = "local"  # its process and files: the state is inferred

    @property
    def rank(self) -> int:
        """The rank of the source; 0 is the best."""
        return _RANK[self]


_RANK = {source: rank for rank, source in enumerate(Source)}


class Server(msgspec.Struct, frozen=True):
    """One OpenCode instance: one directory in one process."""

    id: str
    name: str
    host: str
    directory: str
    project: str = ""
    branch: str = ""
    repository: str = ""  # of a linked git worktree: the directory of the main worktree
    url: str | None = None  # set only if an HTTP server answers there
    pid: int = 0
    opencode: str = ""
    plugin: str = ""
    source: Source = Source.PLUGIN
    verified: bool = True  # whether it has proven the token; if not, it is read-only
    problem: str = ""  # why it cannot be followed, and what to do
    place: TerminalLocation = msgspec.field(default_factory=TerminalLocation)
    services: tuple[Service, ...] = ()
    clock_skew: int = 0  # ms that its machine's clock was ahead of ours when it connected
    connected: bool = True
    confirmed: bool = False  # whether a snapshot has come since it connected
    lost_at: int = 0  # when it disconnected
    said_goodbye: bool = False
    runs_once: bool = False  # `opencode run`: the process ends with the turn
    finished: bool = False  # `opencode run` ended with its turn: the last known states stay valid

    @property
    def live(self) -> bool:
        """Whether the states of its sessions are current."""
        return self.connected and self.confirmed

    @property
    def read_only_reason(self) -> str:
        """Why its sessions cannot be answered, and what to do; "" if they can be answered."""
        if self.problem:
            return self.problem
        if self.source is Source.LOCAL:
            return "its plugin is not connected; run opencode-tray doctor"
        if self.source is Source.DASHBOARD:
            return (
                "opencode-dashboard's plugin cannot receive answers; run opencode-tray install-plugin on that machine"
            )
        if not self.verified and self.source is Source.HTTP:
            return "it was found on the network; add it to [[servers]] in the settings"
        return "" if self.verified else "its plugin does not have the token"


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


class Tokens(msgspec.Struct, frozen=True):
    """Token counts of a session or a message."""

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
        """Subtract counts."""
        return Tokens(
            self.input - other.input,
            self.output - other.output,
            self.reasoning - other.reasoning,
            self.cache_read - other.cache_read,
            self.cache_write - other.cache_write,
        )

    def without(self, other: Tokens) -> Tokens:
        """Subtract counts; no count is negative."""
        rest = self - other
        counts = (rest.input, rest.output, rest.reasoning, rest.cache_read, rest.cache_write)
        return Tokens(*(max(0, count) for count in counts))

    @property
    def total(self) -> int:
        """The number of tokens in the model's context after this message."""
        return self.input + self.output + self.reasoning + self.cache_read + self.cache_write


class Message(msgspec.Struct, frozen=True):
    """A message, with the fields that the fleet uses."""

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
    output: str = ""  # the last line of its text, if the report contains it


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


class SessionUsage(msgspec.Struct, frozen=True):
    """What one session used in one day, and its sums when it was last seen."""

    seen_tokens: int
    seen_cost: float
    tokens: int = 0
    cost: float = 0.0
    is_root: bool = True

    @property
    def is_used_root(self) -> bool:
        """Whether it is a root session with usage on the day."""
        return self.is_root and self.tokens > 0


class DayUsage(msgspec.Struct, frozen=True):
    """The usage since `since` in the local day that began at `day_start`, by session id. Times in ms."""

    day_start: int
    since: int
    sessions: dict[str, SessionUsage] = {}


_OUTCOME_STATUS = {
    Outcome.NONE: Status.IDLE,
    Outcome.COMPLETED: Status.COMPLETED,
    Outcome.ABORTED: Status.ABORTED,
}
