"""Gemini CLI's transcript of a session ("chat"), read incrementally: usage, output, and how a turn ended.

Each hook names the file. It tells what no hook does: that Escape closed a dialog, and which error ended a turn.
Gemini CLI writes older messages again, with new ids, after a turn was stopped: prompts are known from the hooks alone.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from tray.agents.new_steps import NewSteps
from tray.agents.tool_call import MAX_TEXT
from tray.agents.transcripts import ABORTED, MAX_OUTPUT, GrowingFile, milliseconds
from tray.core.lenient_json import JSON_ERRORS, decode, decode_or
from tray.core.messages import Message, Tokens
from tray.core.numbers import token_count
from tray.core.text import last_line

CANCELLED = "Request cancelled."  # the text of an "info" after Escape
FINISHED = "stop"  # OpenCode's name for a turn that ended by itself


class _Usage(msgspec.Struct):
    input: int = 0  # with the cached ones
    output: int = 0
    cached: int = 0
    thoughts: int = 0


class _Line(msgspec.Struct, rename="camel"):
    id: str = ""
    type: str = ""
    timestamp: str = ""
    content: msgspec.Raw = msgspec.Raw(b'""')  # a text, or parts
    model: str | None = None
    tokens: _Usage | None = None  # None: the message is written again


class Chat:
    """The state accumulated from the lines read so far."""

    def __init__(self) -> None:
        self.last: Message | None = None  # the newest message of the model, or how a turn ended without one
        self.output = ""  # the last line that the agent wrote
        self.tokens = Tokens()  # of all messages
        self.steps = NewSteps()
        self._counted: set[str] = set()  # ids of the messages in `tokens`: each has several lines

    def add(self, raw: bytes) -> None:
        """Apply one line of JSON. An invalid or unknown line changes nothing."""
        try:
            line = decode(raw, _Line)
        except JSON_ERRORS:
            return
        text, at = decode_or(bytes(line.content), str, ""), milliseconds(line.timestamp)
        match line.type:
            case "gemini" if line.tokens is not None:
                self._take_answer(line, line.tokens, text, at)
            case "info" if text == CANCELLED:
                self.last = Message(line.id, error=ABORTED, completed=at)
            case "error":
                self.last = Message(line.id, error="APIError", error_text=text[:MAX_TEXT], completed=at)

    def _take_answer(self, line: _Line, usage: _Usage, text: str, at: int) -> None:
        cached = token_count(usage.cached)
        given = max(0, token_count(usage.input) - cached)
        tokens = Tokens(given, token_count(usage.output), token_count(usage.thoughts), cached)
        if line.id not in self._counted:
            self._counted.add(line.id)
            self.tokens += tokens
        self.output = last_line(text, MAX_OUTPUT) or self.output
        model = f"google/{line.model}" if line.model else ""
        self.steps.add(Message(line.id, model=model, tokens=tokens, completed=at))
        self.last = Message(line.id, finish=FINISHED, model=model, tokens=tokens, completed=at)


class ChatFile(GrowingFile[Chat]):
    """A chat that Gemini CLI is writing."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, Chat)
