"""Claude Code's transcript of a session, read incrementally: title, messages, tools, and how a turn ended."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tray.agents.claude.limits import RefusedLimit
from tray.agents.claude.usage import FileUsage, UsageLine, UsageMessage, model_name
from tray.agents.new_turns import NewTurns
from tray.agents.tool_call import MAX_TEXT
from tray.agents.transcripts import ABORTED, MAX_OUTPUT, GrowingFile, ToolCall, milliseconds
from tray.core.history import TurnOutcome
from tray.core.lenient_json import JSON_ERRORS, decode, decode_or
from tray.core.messages import Message, Tokens
from tray.core.numbers import moment, whole
from tray.core.plan_limits import PlanLimit
from tray.core.sessions import Retry
from tray.core.text import beginning, last_line
from tray.core.transitions.turns import FINISH_TOOL_CALLS

TRANSCRIPTS = "projects/*/{}.jsonl"  # in Claude Code's folder, with the id of a session or "*"
INTERRUPTION = "[Request interrupted by user"
FINISH_REASONS = {"tool_use": FINISH_TOOL_CALLS, "end_turn": "stop"}  # Claude's to OpenCode's; others are kept


class Block(msgspec.Struct):
    """A part of a message."""

    type: str = ""
    text: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")
    tool_use_id: str = ""
    is_error: bool | None = False


class _Message(UsageMessage):
    content: msgspec.Raw = msgspec.Raw(b"")
    stop_reason: str | None = None


class _ApiError(msgspec.Struct, rename="camel"):
    message: str = ""
    formatted: str = ""
    rate_limits: msgspec.Raw = msgspec.Raw(b"{}")

    @property
    def text(self) -> str:
        return (self.formatted or self.message)[:MAX_TEXT]


class TranscriptLine(UsageLine, rename="camel"):
    """A line of a transcript."""

    subtype: str = ""
    is_meta: bool = False
    is_compact_summary: bool = False
    is_api_error_message: bool = False
    message: _Message | None = None
    error: msgspec.Raw = msgspec.Raw(b"")
    retry_in_ms: float = 0
    retry_attempt: int = 0
    ai_title: str = ""
    custom_title: str = ""
    git_branch: str = ""


class Transcript:
    """The state accumulated from the lines read so far."""

    def __init__(self) -> None:
        self.branch = ""
        self.last: Message | None = None  # the newest message of the agent, or the interruption of a turn
        self.output = ""  # the last line that the agent wrote
        self.prompt = ""  # the beginning of the newest prompt
        self.prompted_at = 0  # when the last prompt was sent, in ms since the Unix epoch
        self.refused: PlanLimit | None = None  # the limit that the last request has reached
        self.retry: Retry | None = None
        self.running: dict[str, ToolCall] = {}  # the tool calls without a result, by id
        self.usage = FileUsage()
        self.turns = NewTurns()
        self._custom_title = self._ai_title = self._first_prompt = ""
        self._prompts = 0

    @property
    def title(self) -> str:
        """The user's title, else that of the model, else the first prompt."""
        return self._custom_title or self._ai_title or self._first_prompt

    @property
    def messages(self) -> int:
        """The number of prompts and answers."""
        return self._prompts + len(self.usage.messages)

    def add(self, raw: bytes) -> None:
        """Apply one line of JSON. An invalid line changes nothing, and one of a subagent only the usage."""
        try:
            line = decode(raw, TranscriptLine)
        except JSON_ERRORS:
            return
        self.usage.take(line)
        if not line.is_sidechain:
            self._take(line)

    def _take(self, line: TranscriptLine) -> None:
        at = milliseconds(line.timestamp)
        self.branch = line.git_branch or self.branch
        match line.type:
            case "assistant" if line.message is not None:
                self._take_answer(line, line.message, at)
            case "user" if line.message is not None and not line.is_meta and not line.is_compact_summary:
                self._take_user(line, line.message, at)
            case "system" if line.subtype == "api_error":
                error = decode_or(bytes(line.error), _ApiError, _ApiError())
                self.retry = Retry(whole(line.retry_attempt), error.text, moment(at + line.retry_in_ms))
                self.refused = decode_or(bytes(error.rate_limits), RefusedLimit, RefusedLimit()).limit
            case "ai-title":
                self._ai_title = line.ai_title[:MAX_TEXT]
            case "custom-title":
                self._custom_title = line.custom_title[:MAX_TEXT]

    def _take_answer(self, line: TranscriptLine, message: _Message, at: int) -> None:
        blocks = blocks_of(message.content)
        text = next((block.text for block in reversed(blocks) if block.text), "")
        self.retry = None
        if line.is_api_error_message:
            self.last = Message(line.uuid, error="APIError", error_text=text[:MAX_TEXT], completed=at)
            self.turns.end(at, TurnOutcome.FAILED)
            return
        self.refused = None
        message_id = message.id or line.uuid
        self.output = last_line(text, MAX_OUTPUT) or self.output
        for block in blocks:
            if block.type == "tool_use":
                self.running[block.id] = ToolCall(block.id, block.name[:MAX_TEXT], bytes(block.input), at)
        self.last = Message(
            message_id,
            finish=FINISH_REASONS.get(message.stop_reason or "", message.stop_reason or ""),
            model=model_name(message.model),
            tokens=self.usage.messages.get(message_id, Tokens()),
            completed=at if message.stop_reason else 0,
        )
        self.turns.add_response(at, last_line(text, MAX_OUTPUT))
        if self.last.finish not in ("", FINISH_TOOL_CALLS):
            self.turns.end(at)

    @property
    def _outcome_of_running(self) -> TurnOutcome:
        """How the running turn has ended if the next one begins now. Some versions do not write why a response ends."""
        is_complete = self.last is not None and not self.last.finish and not self.running
        return TurnOutcome.COMPLETED if is_complete else TurnOutcome.ABORTED

    def _take_user(self, line: TranscriptLine, message: _Message, at: int) -> None:
        blocks = blocks_of(message.content)
        results = [block.tool_use_id for block in blocks if block.type == "tool_result"]
        for tool_use_id in results:
            self.running.pop(tool_use_id, None)
        text = next((block.text for block in blocks if block.text), "")
        if is_interruption(text):
            self.running.clear()
            self.retry = None
            self.last = Message(line.uuid, error=ABORTED, completed=at)
            self.turns.end(at, TurnOutcome.ABORTED)
        elif not results and is_automatic(text):
            self.turns.begin(at, "", line.uuid, before=self._outcome_of_running)
        elif not results and text:
            self._prompts += 1
            self.prompted_at = at
            self.prompt = beginning(text, MAX_OUTPUT)
            self.turns.begin(at, self.prompt, line.uuid, before=self._outcome_of_running)
            self.running.clear()
            self._first_prompt = self._first_prompt or beginning(text, MAX_TEXT)


class TranscriptFile(GrowingFile[Transcript]):
    """A transcript that Claude Code is writing."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Transcript)


def transcript_path(folder: Path, session_id: str, cwd: str) -> Path:
    """Return the path of a session's transcript in a configuration folder; it is created by the first prompt."""
    encoded = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in cwd)
    return folder / "projects" / encoded / f"{session_id}.jsonl"


def is_interruption(text: str) -> bool:
    """Whether the text of a user's line says that the user stopped the turn."""
    return text.startswith(INTERRUPTION)


def is_automatic(text: str) -> bool:
    """Whether the text of a user's line is not the user's: it is a command, or the report of a subagent."""
    return text.startswith("<")


def blocks_of(content: msgspec.Raw) -> list[Block]:
    """Return the blocks of a message; a plain text is one block."""
    try:
        blocks = decode(bytes(content), str | list[Block])
    except JSON_ERRORS:
        return []
    return [Block("text", blocks)] if isinstance(blocks, str) else blocks
