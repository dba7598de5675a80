"""Codex' transcript of a thread ("rollout"), read incrementally: turns, output, tools, usage, and how a turn ended."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tray.agents.new_steps import NewSteps
from tray.agents.new_turns import NewTurns
from tray.agents.tool_call import MAX_TEXT
from tray.agents.transcripts import ABORTED, MAX_OUTPUT, GrowingFile, ToolCall, milliseconds
from tray.core.history import TurnOutcome
from tray.core.lenient_json import JSON_ERRORS, decode
from tray.core.messages import Message, Tokens
from tray.core.numbers import moment, token_count, whole
from tray.core.plan_limits import PlanLimit, window_name
from tray.core.text import beginning, last_line

FINISHED = "stop"  # OpenCode's name for a turn that ended by itself
MAX_CALL = 200_000  # bytes kept of the arguments of a tool call
USER = "user"  # the purpose of a thread that the user started
USER_REVIEWS = "user"  # the reviewer of permissions if Codex has no automatic one


class _Meta(msgspec.Struct):
    """`session_meta`, the first line. A fork contains those of its parents after its own."""

    id: str = ""
    cwd: str = ""
    timestamp: str = ""
    cli_version: str = ""
    model_provider: str | None = None
    thread_source: str | None = None
    parent_thread_id: str | None = None


class _Context(msgspec.Struct):
    """`turn_context`: the settings of a turn."""

    model: str | None = None
    approvals_reviewer: str | None = None  # who decides about permissions


class _Window(msgspec.Struct):
    """One limit of the user's plan."""

    used_percent: float = 0
    window_minutes: int | None = None
    resets_at: int | None = None  # s since the Unix epoch


class _RateLimits(msgspec.Struct):
    primary: _Window | None = None
    secondary: _Window | None = None


class _Usage(msgspec.Struct):
    input_tokens: int = 0  # with the cached ones
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 0  # with the reasoning
    reasoning_output_tokens: int = 0


class _UsageRecord(msgspec.Struct):
    """`token_usage_record`: the usage of one response of the model."""

    thread_id: str = ""
    response_id: str = ""
    usage: _Usage | None = None


class _Text(msgspec.Struct):
    text: str = ""


class Item(msgspec.Struct):
    """A message, or what a tool did."""

    type: str = ""
    content: list[_Text] | None = None

    @property
    def text(self) -> str:
        """The text of a message."""
        return "\n".join(part.text for part in self.content or [])


class _Error(msgspec.Struct):
    message: str = ""


class Event(msgspec.Struct):
    """`event_msg`."""

    type: str = ""
    turn_id: str = ""
    model_context_window: int | None = None
    item: msgspec.Raw = msgspec.Raw(b"{}")
    error: _Error | None = None
    rate_limits: _RateLimits | None = None


class ResponseItem(msgspec.Struct):
    """`response_item`: what the model wrote, and the results of its tool calls."""

    type: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    input: str = ""  # of a tool whose arguments are not JSON


class RolloutLine(msgspec.Struct):
    """A line of a rollout."""

    type: str = ""
    timestamp: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"{}")


class Rollout:
    """The state accumulated from the lines read so far."""

    def __init__(self) -> None:
        self.thread_id = ""
        self.directory = ""
        self.created = 0  # ms since the Unix epoch
        self.version = ""
        self.parent = ""  # thread id, of a subagent
        self.purpose = ""  # USER, or why Codex started the thread
        self.turn_id = ""  # of the newest turn; ids ascend
        self.turn_started = 0  # ms since the Unix epoch; 0: no turn is running
        self.first_prompt = ""
        self.prompt = ""  # the beginning of the newest one
        self.last: Message | None = None  # the newest response of the model, or the end of the newest turn
        self.messages = 0
        self.output = ""  # the last line that the agent wrote
        self.tokens = Tokens()  # of all responses in this thread
        self.steps = NewSteps()
        self.turns = NewTurns()
        self.context_size = 0  # tokens
        self.running: dict[str, ToolCall] = {}  # the tool calls without a result, by id
        self.is_reviewed_by_user = True  # whether the user decides about permissions in this turn
        self.plan_limits: tuple[PlanLimit, ...] = ()  # as the provider reported them last
        self.limits_at = 0  # when it reported them, in ms since the Unix epoch
        self._provider = self._model = ""
        self._counted: set[str] = set()  # ids of the responses in `tokens`

    @property
    def model(self) -> str:
        """The newest model, as "provider/model"."""
        return f"{self._provider}/{self._model}" if self._provider and self._model else self._model

    def add(self, raw: bytes) -> None:
        """Apply one line of JSON. An invalid or unknown line changes nothing."""
        try:
            line = decode(raw, RolloutLine)
            self._take(line.type, bytes(line.payload), milliseconds(line.timestamp))
        except JSON_ERRORS:
            return

    def _take(self, kind: str, payload: bytes, at: int) -> None:
        match kind:
            case "session_meta" if not self.thread_id:
                self._take_meta(decode(payload, _Meta))
            case "turn_context":
                context = decode(payload, _Context)
                self._model = context.model or self._model
                self.is_reviewed_by_user = context.approvals_reviewer in (None, USER_REVIEWS)
            case "token_usage_record":
                self._take_usage(decode(payload, _UsageRecord), at)
            case "event_msg":
                self._take_event(decode(payload, Event), at)
            case "response_item":
                self._take_response(decode(payload, ResponseItem), at)

    def _take_meta(self, meta: _Meta) -> None:
        self.thread_id = meta.id
        self.directory = meta.cwd
        self.created = milliseconds(meta.timestamp)
        self.version = meta.cli_version
        self.parent = meta.parent_thread_id or ""
        self.purpose = meta.thread_source or USER
        self._provider = meta.model_provider or ""

    def _take_usage(self, record: _UsageRecord, at: int) -> None:
        """Count a response once. A fork contains the records of its parent."""
        if record.usage is None or record.thread_id != self.thread_id or record.response_id in self._counted:
            return
        self._counted.add(record.response_id)
        tokens = _tokens(record.usage)
        self.tokens += tokens
        self.last = Message(self.turn_id, model=self.model, tokens=tokens)
        self.steps.add(Message(record.response_id, model=self.model, tokens=tokens, completed=at))

    def _take_event(self, event: Event, at: int) -> None:
        self.context_size = token_count(event.model_context_window) or self.context_size
        match event.type:
            case "task_started":
                self.turn_id = event.turn_id
                self.turn_started = at
                self.running.clear()
                if event.turn_id >= self.thread_id:  # a fork contains the turns of its parent, whose ids are smaller
                    self.turns.begin(at)
            case "token_count" if event.rate_limits is not None:
                self._take_limits(event.rate_limits, at)
            case "item_completed":
                self._take_item(decode(bytes(event.item), Item), at)
            case "task_complete" if event.error is not None:
                self._end_turn(event, at, TurnOutcome.FAILED, "APIError", event.error.message[:MAX_TEXT])
            case "task_complete":
                self._end_turn(event, at, TurnOutcome.COMPLETED)
            case "turn_aborted":
                self._end_turn(event, at, TurnOutcome.ABORTED, ABORTED)

    def _take_limits(self, limits: _RateLimits, at: int) -> None:
        """Keep the limits. A report without any of them changes nothing."""
        found = tuple(_limit(window) for window in (limits.primary, limits.secondary) if window is not None)
        if found:
            self.plan_limits, self.limits_at = found, at

    def _take_item(self, item: Item, at: int) -> None:
        text = item.text
        if item.type == "UserMessage":
            self.messages += 1
            self.prompt = beginning(text, MAX_OUTPUT)
            self.turns.add_prompt(at, self.prompt)
            self.first_prompt = self.first_prompt or beginning(text, MAX_TEXT)
        elif item.type == "AgentMessage":
            self.messages += 1
            self.output = last_line(text, MAX_OUTPUT) or self.output
            self.turns.add_response(at, last_line(text, MAX_OUTPUT))

    def _end_turn(self, event: Event, at: int, outcome: TurnOutcome, error: str = "", error_text: str = "") -> None:
        before = self.last if self.last is not None and self.last.id == event.turn_id else None
        self.turn_started = 0
        self.running.clear()
        self.turns.end(at, outcome)
        self.last = Message(
            event.turn_id,
            finish="" if error else FINISHED,
            error=error,
            error_text=error_text,
            model=self.model,
            tokens=before.tokens if before is not None else Tokens(),
            completed=at,
        )

    def _take_response(self, item: ResponseItem, at: int) -> None:
        if item.type in ("function_call", "custom_tool_call"):
            arguments = (item.arguments or item.input).encode("utf-8", "replace")[:MAX_CALL]
            self.running[item.call_id] = ToolCall(item.call_id, item.name[:MAX_TEXT], arguments, at)
        elif item.type in ("function_call_output", "custom_tool_call_output"):
            self.running.pop(item.call_id, None)


class RolloutFile(GrowingFile[Rollout]):
    """A rollout that Codex is writing."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Rollout)


def _limit(window: _Window) -> PlanLimit:
    minutes = whole(window.window_minutes or 0)
    name = window_name(minutes) if minutes else "plan"
    return PlanLimit(name, window.used_percent, moment((window.resets_at or 0) * 1000))


def _tokens(usage: _Usage) -> Tokens:
    """Return the usage in OpenCode's terms, in which no token is counted twice."""
    read, written = token_count(usage.cached_input_tokens), token_count(usage.cache_write_input_tokens)
    reasoning = token_count(usage.reasoning_output_tokens)
    given, output = token_count(usage.input_tokens), token_count(usage.output_tokens)
    return Tokens(max(0, given - read - written), max(0, output - reasoning), reasoning, read, written)
