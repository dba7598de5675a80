"""Copilot CLI's events of a session, read incrementally: turns, permissions, tools, usage, and how a turn ended."""

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
from tray.core.numbers import token_count
from tray.core.text import beginning, last_line
from tray.core.transitions.turns import FINISH_TOOL_CALLS

SUBAGENT = "subagent"  # the agent of its steps
FINISHED = "stop"  # OpenCode's name for a turn that ended by itself


class _Context(msgspec.Struct):
    cwd: str | None = None
    branch: str | None = None


class _Start(msgspec.Struct, rename="camel"):
    """`session.start` and `session.resume`."""

    copilot_version: str = ""
    context: _Context | None = None


class UserMessage(msgspec.Struct):
    """`user.message`."""

    content: str = ""


class AssistantMessage(msgspec.Struct, rename="camel"):
    """`assistant.message`."""

    message_id: str = ""
    model: str | None = None
    content: str = ""
    tool_requests: list[msgspec.Raw] | None = None


class _Usage(msgspec.Struct, rename="camel"):
    input_tokens: int = 0  # with the cached ones
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    is_byok: bool = False  # whether the model is not one of GitHub's
    model: str = ""

    def model_name(self, model: str) -> str:
        """Return the name of a model with its provider, as far as it is known."""
        return model if not model or self.is_byok else f"github-copilot/{model}"


class _UsageRecord(msgspec.Struct):
    """`session.usage_record`: the usage of one response of the model."""

    usage: _Usage = msgspec.field(default_factory=_Usage)


class Tool(msgspec.Struct, rename="camel"):
    """`tool.execution_start` and `tool.execution_complete`."""

    tool_call_id: str = ""
    tool_name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")
    success: bool | None = None  # of a complete one


class PermissionRequest(msgspec.Struct, frozen=True, rename="camel"):
    """What a permission is asked for. The field that is set depends on its kind."""

    kind: str = ""  # "shell", "write", "read", "url", "mcp" …
    tool_call_id: str = ""
    full_command_text: str = ""
    file_name: str = ""
    path: str = ""
    url: str = ""
    tool_name: str = ""
    intention: str = ""


class _Permission(msgspec.Struct, rename="camel"):
    request_id: str = ""
    permission_request: PermissionRequest | None = None


class ErrorData(msgspec.Struct):
    """`session.error`."""

    message: str = ""


class EventLine(msgspec.Struct, rename="camel"):
    """A line of the events."""

    type: str = ""
    id: str = ""
    timestamp: str = ""
    agent_id: str = ""  # of a subagent
    data: msgspec.Raw = msgspec.Raw(b"{}")


class Permission(msgspec.Struct, frozen=True):
    """A permission that the user has not answered yet."""

    id: str
    asked_at: int  # ms since the Unix epoch
    request: PermissionRequest


class Events:
    """The state accumulated from the lines read so far."""

    def __init__(self) -> None:
        self.version = ""
        self.directory = ""
        self.branch = ""
        self.created = 0  # ms since the Unix epoch
        self.first_prompt = ""
        self.prompt = ""  # the beginning of the newest one
        self.prompted_at = 0  # when the last prompt was sent, in ms since the Unix epoch
        self.is_turn_running = False  # of the agent itself, not of a subagent
        self.subagents: set[str] = set()  # that are running
        self.subagent_ended_at = 0  # ms since the Unix epoch
        self.changed_at = 0  # time of the newest line, in ms since the Unix epoch
        self.last: Message | None = None  # the newest message of the agent, or the end of its turn
        self.messages = 0
        self.output = ""  # the last line that the agent wrote
        self.tokens = Tokens()  # of all messages, with those of subagents
        self.steps = NewSteps()
        self.turns = NewTurns()
        self.running: dict[str, ToolCall] = {}  # the tool calls without a result, by id
        self.permissions: dict[str, Permission] = {}  # that wait for the user, by id
        self._usage = _Usage()  # of the newest message

    @property
    def is_busy(self) -> bool:
        """Whether the agent or a subagent works, or waits for the user."""
        return self.is_turn_running or bool(self.subagents)

    def add(self, raw: bytes) -> None:
        """Apply one line of JSON. An invalid or unknown line changes nothing."""
        try:
            line = decode(raw, EventLine)
            at = milliseconds(line.timestamp)
            self._take(line, bytes(line.data), at)
            if not line.agent_id:
                self._take_own(line.type, bytes(line.data), at)
            self.changed_at = max(self.changed_at, at)
        except JSON_ERRORS:
            return

    def _take(self, line: EventLine, data: bytes, at: int) -> None:
        """Apply a line of the agent or of a subagent."""
        match line.type:
            case "tool.execution_start":
                tool = decode(data, Tool)
                name, arguments = tool.tool_name[:MAX_TEXT], bytes(tool.arguments)
                self.running[tool.tool_call_id] = ToolCall(tool.tool_call_id, name, arguments, at)
            case "tool.execution_complete":
                self.running.pop(decode(data, Tool).tool_call_id, None)
            case "permission.requested":
                asked = decode(data, _Permission)
                request = asked.permission_request or PermissionRequest()
                self.permissions[asked.request_id] = Permission(asked.request_id, at, request)
            case "permission.completed":
                self.permissions.pop(decode(data, _Permission).request_id, None)
            case "session.usage_record":
                self._take_usage(line, decode(data, _UsageRecord).usage, at)
            case "subagent.started":
                self.subagents.add(line.agent_id)
            case "subagent.completed" | "subagent.failed":
                self.subagents.discard(line.agent_id)
                self.subagent_ended_at = at

    def _take_usage(self, line: EventLine, usage: _Usage, at: int) -> None:
        tokens = _tokens(usage)
        self.tokens += tokens
        agent = SUBAGENT if line.agent_id else ""
        self.steps.add(Message(line.id, model=usage.model_name(usage.model), agent=agent, tokens=tokens, completed=at))

    def _take_own(self, kind: str, data: bytes, at: int) -> None:
        """Apply a line of the agent itself."""
        match kind:
            case "session.start" | "session.resume":
                self._take_start(decode(data, _Start))
                self.created = self.created or at
            case "session.shutdown":
                self._stop()
            case "user.message":
                self._take_prompt(decode(data, UserMessage), at)
            case "session.usage_record":
                self._usage = decode(data, _UsageRecord).usage
            case "assistant.turn_start":
                self.is_turn_running = True
            case "assistant.message":
                self._take_answer(decode(data, AssistantMessage), at)
            case "assistant.turn_end":
                self.is_turn_running = False
                if self.last is not None and self.last.finish == FINISHED:
                    self.turns.end(at)
            case "abort":
                self.turns.end(at, TurnOutcome.ABORTED)
                self._stop()
                self.last = Message(str(at), error=ABORTED, completed=at)
            case "session.error":
                self.is_turn_running = False
                self.turns.end(at, TurnOutcome.FAILED)
                error = decode(data, ErrorData).message[:MAX_TEXT]
                self.last = Message(str(at), error="APIError", error_text=error, completed=at)

    def _take_start(self, start: _Start) -> None:
        self.version = start.copilot_version or self.version
        context = start.context or _Context()
        self.directory = context.cwd or self.directory
        self.branch = context.branch or self.branch
        self._stop()

    def _stop(self) -> None:
        """Forget what was running: a process that was killed did not write its end."""
        self.turns.abandon()
        self.is_turn_running = False
        self.subagents.clear()
        self.running.clear()
        self.permissions.clear()

    def _take_prompt(self, message: UserMessage, at: int) -> None:
        self.messages += 1
        self.prompted_at = at
        self.is_turn_running = True
        self.prompt = beginning(message.content, MAX_OUTPUT)
        self.turns.begin(at, self.prompt)
        self.first_prompt = self.first_prompt or beginning(message.content, MAX_TEXT)

    def _take_answer(self, message: AssistantMessage, at: int) -> None:
        self.messages += 1
        self.output = last_line(message.content, MAX_OUTPUT) or self.output
        self.turns.add_response(at, last_line(message.content, MAX_OUTPUT))
        model = message.model or ""
        self.last = Message(
            message.message_id,
            finish=FINISH_TOOL_CALLS if message.tool_requests else FINISHED,
            model=self._usage.model_name(model),
            tokens=_tokens(self._usage),
            completed=at,
        )


class EventsFile(GrowingFile[Events]):
    """The events that Copilot CLI is writing; the first prompt creates the file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Events)


def _tokens(usage: _Usage) -> Tokens:
    """Return the usage in OpenCode's terms, in which no token is counted twice."""
    read, written = token_count(usage.cache_read_tokens), token_count(usage.cache_write_tokens)
    given = max(0, token_count(usage.input_tokens) - read - written)
    return Tokens(given, token_count(usage.output_tokens), 0, read, written)
