"""The state of a session that is known only by the hooks of its agent. Pure."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from tray.agents.hook import (
    Hook,
    PermissionShown,
    ToolEnded,
    ToolStarted,
    TurnEnded,
    TurnFailed,
    TurnStarted,
    TurnStopped,
)
from tray.agents.new_steps import NewSteps
from tray.agents.transcripts import ABORTED, MAX_OUTPUT
from tray.core.events import Digest, SessionFacts, SnapshotTaken
from tray.core.messages import Message, Tokens
from tray.core.sessions import Activity, Request, RequestKind
from tray.core.text import beginning, last_line

FINISHED = "stop"  # OpenCode's name for a turn that ended by itself
FAILED = "Error"
STOP_TIME = 1_000  # ms after the end of a turn within which the transcript tells why


class HookTranscript(Protocol):
    """Data of a session that only its transcript contains."""

    last: Message | None  # the newest message; with an error, it ended a turn
    output: str
    tokens: Tokens
    steps: NewSteps


class HookSession:
    """The state after the hooks so far. A hook after the end of a turn changes nothing, unless it begins another."""

    def __init__(self, session_id: str, at: int, read_only_reason: str) -> None:
        """`at` (ms since the Unix epoch) is the time of the first hook."""
        self.id = session_id
        self.prompted_at = 0  # the begin of the newest turn
        self._created = self._updated = at
        self._read_only_reason = read_only_reason
        self._directory = ""
        self._title = ""
        self._prompt = ""
        self._turn = 0  # its number; 0: none was seen
        self._is_busy = False
        self._tool, self._tool_since = "", 0
        self._requests: list[Request] = []
        self._asked = 0  # the number of requests so far
        self._end: Message | None = None  # of the newest turn
        self._output = ""

    def apply(self, hook: Hook, at: int) -> None:
        """Apply a hook that was received at `at` (ms since the Unix epoch)."""
        self._directory = hook.directory or self._directory
        if isinstance(hook, TurnStarted) and (hook.prompt or not self._turn):
            self._begin(hook.prompt, at)
        elif isinstance(hook, ToolStarted | ToolEnded | PermissionShown) and not self._turn:
            self._begin("", at)  # it began before the tray
        if not self._is_busy:
            return
        self._updated = at
        match hook:
            case TurnStarted() if not hook.prompt:
                self._requests, self._tool = [], ""
            case PermissionShown():
                self._ask(hook, at)
            case ToolStarted():
                self._close(hook.tool)
                self._tool, self._tool_since = hook.tool, at
            case ToolEnded():
                self._close(hook.tool, is_sure=True)
                self._tool = ""
            case TurnEnded():
                self._output = last_line(hook.output, MAX_OUTPUT)
                self._finish(Message("", finish=FINISHED), at)
            case TurnFailed():
                self._finish(Message("", error=FAILED, error_text=hook.message or "failed"), at)
            case TurnStopped():
                self._finish(Message("", error=ABORTED), at)

    def apply_transcript(self, last: Message | None) -> None:
        """Apply the newest message of the transcript: it may tell the end of a turn, or why it was stopped."""
        if last is None or not last.error or last.completed < self.prompted_at:
            return
        end = self._end
        was_stopped = end is not None and end.error == ABORTED and last.completed - end.completed < STOP_TIME
        if self._is_busy or was_stopped:
            self._finish(last, last.completed)

    def snapshot(self, server_id: str, transcript: HookTranscript | None, *, has_ended: bool = False) -> SnapshotTaken:
        """Return the state. `has_ended`: its process has ended."""
        return SnapshotTaken(
            server_id,
            sessions=(self._facts(transcript),),
            activities={self.id: (Activity.BUSY if self._is_busy else Activity.IDLE, None)},
            permissions=() if has_ended else tuple(self._requests),
            questions=(),
        )

    # ------------------------------------------------------------------ turns

    def _begin(self, prompt: str, at: int) -> None:
        self._turn += 1
        self._prompt = beginning(prompt, MAX_OUTPUT)
        self._title = self._title or last_line(prompt, MAX_OUTPUT)
        self._is_busy, self._end, self._requests, self._tool = True, None, [], ""
        self.prompted_at = at

    def _finish(self, end: Message, at: int) -> None:
        self._is_busy, self._requests, self._tool = False, [], ""
        self._end, self._updated = replace(end, completed=at), at

    def _ask(self, hook: PermissionShown, at: int) -> None:
        self._asked += 1
        self._requests.append(
            Request(
                id=f"{self.id}-{self._asked}",
                session=self.id,
                kind=RequestKind.PERMISSION,
                title=hook.title or "permission",
                detail=hook.detail,
                complete=False,
                read_only_reason=self._read_only_reason,
                asked_at=at,
            )
        )

    def _close(self, tool: str, *, is_sure: bool = False) -> None:
        """Close the oldest request of a tool. `is_sure`: one was answered, also if none names the tool."""
        named = next((request for request in self._requests if request.title == tool), None)
        if named is None and is_sure:
            named = next(iter(self._requests), None)
        self._requests = [request for request in self._requests if request is not named]

    # ------------------------------------------------------------------ facts

    def _facts(self, transcript: HookTranscript | None) -> SessionFacts:
        last = Message("") if self._end is None else self._end
        tokens, output = Tokens(), self._output
        if transcript is not None:
            tokens, output = transcript.tokens, output or transcript.output
            if transcript.last is not None and transcript.last.model:
                last = replace(last, model=transcript.last.model, tokens=transcript.last.tokens)
        digest = Digest(
            messages=self._turn,
            cost=0.0,
            tokens=tokens,
            last=replace(last, id=f"{self._turn:06}") if self._turn else None,
            output=output,
            prompt_text=self._prompt,
            tool=self._tool,
            tool_since=self._tool_since if self._tool else 0,
        )
        return SessionFacts(
            self.id,
            title=self._title,
            directory=self._directory,
            created=self._created,
            updated=self._updated,
            digest=digest,
        )
