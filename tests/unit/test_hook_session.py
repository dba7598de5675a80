"""The state of a session that is known only by hooks, from recordings of the real programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tray.agents.gemini.hooks import decode_hook as decode_gemini
from tray.agents.hook import (
    Hook,
    PermissionShown,
    SessionStarted,
    ToolEnded,
    ToolStarted,
    TurnEnded,
    TurnFailed,
    TurnStarted,
    TurnStopped,
)
from tray.agents.hook_session import HookSession
from tray.agents.qwen.hooks import decode_hook as decode_qwen
from tray.agents.transcripts import ABORTED, milliseconds
from tray.core.events import ServerConnected
from tray.core.fleet import Fleet
from tray.core.messages import Message
from tray.core.servers import Server
from tray.core.session_index import SessionIndex, SessionRow
from tray.core.sessions import Status

RECORDINGS = Path(__file__).parents[1] / "recordings"
AT = 1_800_000_000_000  # ms since the Unix epoch
PROMPT = TurnStarted("ses", "/project", "Do it")


class _Timed(msgspec.Struct):
    timestamp: str = ""


class Shown:
    """A session, and its row after each hook."""

    def __init__(self, session_id: str = "ses") -> None:
        self.session = HookSession(session_id, AT, "use its terminal")
        self._fleet = Fleet()
        self._index = SessionIndex(self._fleet)
        self._at = AT
        self._update(ServerConnected(Server("server", "project", "host", "/project")))

    def _update(self, event: object) -> None:
        self._index.update(self._fleet.apply(event, self._at))  # type: ignore[arg-type]

    def apply(self, *hooks: Hook, at: int = 0) -> Status:
        for hook in hooks:
            self._at = at or self._at + 10
            self.session.apply(hook, self._at)
            self._update(self.session.snapshot("server", None))
        return self.row().status

    def transcript(self, last: Message) -> Status:
        self.session.apply_transcript(last)
        self._update(self.session.snapshot("server", None))
        return self.row().status

    def row(self) -> SessionRow:
        row = self._index.row(self.session.id)
        assert row is not None
        return row

    def requests(self) -> list[str]:
        return [request.detail for request in self.row().requests]


def replay(agent: str, decode: Callable[[bytes], Hook | None]) -> list[str]:
    """Return the states of a recorded conversation, each once."""
    shown: Shown | None = None
    states: list[str] = []
    for line in (RECORDINGS / agent / "conversation.jsonl").read_bytes().splitlines():
        hook = decode(line)
        if hook is None:
            continue
        shown = shown or Shown(hook.session_id)
        status = shown.apply(hook, at=milliseconds(msgspec.json.decode(line, type=_Timed).timestamp)).value
        if states[-1:] != [status]:
            states.append(status)
    return states


def test_the_recorded_conversation_of_qwen_has_the_state_of_each_step():
    permitted = ["busy", "waiting_for_permission", "busy", "completed"]
    assert replay("qwen", decode_qwen) == [
        "idle", *permitted, *permitted,
        "busy", "error",
        "busy", "idle",  # Escape
    ]  # fmt: skip


def test_the_recorded_conversation_of_gemini_has_the_state_of_each_step():
    assert replay("gemini", decode_gemini) == [
        "idle", "busy", "waiting_for_permission", "busy", "completed",
        "busy", "idle",  # an error: only the transcript tells which
        "busy", "waiting_for_permission",  # Escape: only the transcript tells
        "busy", "idle",
    ]  # fmt: skip


def test_a_row_shows_the_first_prompt_the_tool_and_the_last_line():
    shown = Shown()
    shown.apply(SessionStarted("ses", "/project"), PROMPT, ToolStarted("ses", "", "shell"))
    session = shown.row().session
    assert (session.title, session.directory, session.tool) == ("Do it", "/project", "shell")
    shown.apply(ToolEnded("ses", "", "shell"), TurnEnded("ses", "", "one\ntwo"), TurnStarted("ses", "", "More"))
    session = shown.row().session
    assert (session.title, session.tool, session.last_output) == ("Do it", "", "two")


@pytest.mark.parametrize(
    "late",
    [ToolStarted("ses"), ToolEnded("ses"), PermissionShown("ses", "", "shell"), TurnStarted("ses"), TurnStopped("ses"),
     TurnFailed("ses"), SessionStarted("ses")],
)  # fmt: skip
def test_a_hook_after_the_end_of_a_turn_changes_nothing(late: Hook):
    shown = Shown()
    assert shown.apply(PROMPT, TurnEnded("ses")) is Status.COMPLETED
    assert shown.apply(late) is Status.COMPLETED
    assert shown.apply(TurnStarted("ses", "", "Again")) is Status.BUSY


def test_an_agent_that_worked_before_the_tray_is_working():
    assert Shown().apply(ToolEnded("ses")) is Status.BUSY
    assert Shown().apply(PermissionShown("ses", "", "shell", "make")) is Status.WAITING_FOR_PERMISSION
    assert Shown().apply(TurnStopped("ses")) is Status.IDLE


def test_requests_are_closed_one_by_one_by_their_tool_and_all_by_the_end_of_the_turn():
    shown = Shown()
    shown.apply(PROMPT, PermissionShown("ses", "", "shell", "a"), PermissionShown("ses", "", "edit", "b"))
    assert sorted(shown.requests()) == ["a", "b"]
    assert shown.row().requests[0].read_only_reason == "use its terminal"
    shown.apply(ToolStarted("ses", "", "read"))
    assert sorted(shown.requests()) == ["a", "b"]
    shown.apply(ToolStarted("ses", "", "edit"))
    assert shown.requests() == ["a"]
    shown.apply(TurnStopped("ses"))
    assert shown.requests() == []


def test_a_tool_that_ended_closes_a_request_that_does_not_name_it():
    shown = Shown()
    shown.apply(PROMPT, ToolStarted("ses", "", "run_shell_command"), PermissionShown("ses", "", "exec", "make"))
    assert shown.apply(ToolEnded("ses", "", "run_shell_command")) is Status.BUSY


def test_the_transcript_tells_that_escape_closed_a_dialog():
    shown = Shown()
    shown.apply(PROMPT, PermissionShown("ses", "", "exec", "make"))
    assert shown.transcript(Message("m", error=ABORTED, completed=AT)) is Status.WAITING_FOR_PERMISSION  # before
    assert shown.transcript(Message("m", error=ABORTED, completed=AT + 1_000)) is Status.IDLE
    assert shown.requests() == []


def test_the_transcript_tells_why_a_turn_ended_without_a_word():
    shown = Shown()
    assert shown.apply(PROMPT, TurnStopped("ses")) is Status.IDLE
    failed = Message("m", error="APIError", error_text="400", completed=AT + 50)
    assert shown.transcript(failed) is Status.ERROR
    failure = shown.row().session.failure
    assert failure is not None
    assert failure.message == "400"


def test_an_error_of_the_transcript_between_two_turns_changes_nothing():
    later = Message("m", error="APIError", completed=AT + 60_000)
    stopped, finished = Shown(), Shown()
    stopped.apply(PROMPT, TurnStopped("ses"))
    finished.apply(PROMPT, TurnEnded("ses"))
    assert (stopped.transcript(later), finished.transcript(later)) == (Status.IDLE, Status.COMPLETED)


def test_a_process_that_ended_has_no_requests_and_an_unfinished_turn():
    shown = Shown()
    shown.apply(PROMPT, PermissionShown("ses", "", "shell", "a"))
    taken = shown.session.snapshot("server", None, has_ended=True)
    assert taken.permissions == ()
    assert taken.activities is not None
    assert taken.activities["ses"][0].value == "busy"
