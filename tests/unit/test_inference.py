"""Inference of the activity of stored sessions: each rule, and conclusions that must not be drawn."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tray.core.sessions import Activity, RequestKind
from tray.sources.local.inference import STEP_GAP, THINKING_TIME, Inferred, infer
from tray.sources.local.logs import Ask
from tray.sources.local.records import StoredPart, StoredSession
from tray.sources.protocol.schema import MessageInfo, SessionInfo

STARTED = 1_000_000  # start of the process
NOW = STARTED + 600_000
THEN = NOW - 10_000
SES = SessionInfo("ses_1", title="Work", directory="/home/me/work")
QUESTION = {"questions": [{"question": "Which?", "header": "Pick", "options": [{"label": "A"}, {"label": "B"}]}]}


def message(role: str, created: int, completed: int | None = None, **more: Any) -> MessageInfo:
    time = {"created": created} | ({"completed": completed} if completed else {})
    return msgspec.convert({"id": f"msg_{created}", "role": role, "time": time, **more}, MessageInfo)


def tool(name: str, *, status: str = "running", start: int = THEN, runs: bool = False, **given: Any) -> StoredPart:
    state = {"status": status, "input": given, "time": {"start": start}} | ({"metadata": {}} if runs else {})
    part = {"id": "prt_1", "type": "tool", "tool": name, "callID": "call_1", "state": state}
    return msgspec.json.decode(msgspec.json.encode(part), type=StoredPart)


def inferred(
    *messages: MessageInfo, parts: tuple[StoredPart, ...] = (), asks: tuple[Ask, ...] = (), now: int = NOW,
    logs_answers: bool = False,
) -> Inferred:  # fmt: skip
    stored = StoredSession(SES, messages, len(messages), parts)
    return infer(stored, asks, STARTED, now, logs_answers=logs_answers)


def working(*parts: StoredPart, asks: tuple[Ask, ...] = (), **more: Any) -> Inferred:
    return inferred(message("user", THEN - 50), message("assistant", THEN), parts=parts, asks=asks, **more)


def test_an_empty_session_is_idle() -> None:
    assert inferred().activity is Activity.IDLE


def test_after_a_prompt_a_session_is_busy_for_a_limited_time() -> None:
    prompt = message("user", THEN)
    thinking = inferred(prompt)
    assert (thinking.activity, thinking.recheck_at) == (Activity.BUSY, THEN + THINKING_TIME)
    assert inferred(prompt, now=THEN + THINKING_TIME).activity is Activity.IDLE


def test_an_assistant_message_without_an_end_is_busy() -> None:
    assert working().activity is Activity.BUSY


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize("name", ["bash", "question"])
def test_a_message_left_unfinished_by_an_earlier_process_is_not_busy(role: str, name: str) -> None:
    given = QUESTION if name == "question" else {"command": "ls"}
    part = tool(name, start=STARTED - 1, **given)
    left = inferred(message(role, STARTED - 1), parts=(part,), now=STARTED + 5)
    assert (left.activity, left.permission, left.question) == (Activity.IDLE, None, None)


@pytest.mark.parametrize("finish", ["stop", "length", "other"])
def test_a_finished_assistant_message_is_idle(finish: str) -> None:
    done = inferred(message("user", THEN - 50), message("assistant", THEN, THEN + 5, finish=finish))
    assert (done.activity, done.recheck_at) == (Activity.IDLE, 0)


def test_a_turn_is_busy_between_two_steps_for_a_limited_time() -> None:
    step = message("assistant", THEN, NOW - 10, finish="tool-calls")
    between = inferred(step)
    assert (between.activity, between.recheck_at) == (Activity.BUSY, NOW - 10 + STEP_GAP)
    assert inferred(step, now=NOW - 10 + STEP_GAP).activity is Activity.IDLE


def test_an_error_is_reported_and_ends_the_turn() -> None:
    failed = inferred(message("assistant", THEN, THEN + 5, error={"name": "APIError", "data": {"message": "no"}}))
    assert failed.activity is Activity.IDLE
    assert failed.facts.digest is not None
    assert failed.facts.digest.last is not None
    assert failed.facts.digest.last.error == "APIError"


def test_a_running_question_tool_is_a_pending_question() -> None:
    asked = working(tool("question", **QUESTION)).question
    assert asked is not None
    assert (asked.kind, asked.detail, [o.label for o in asked.questions[0].options]) == (
        RequestKind.QUESTION, "Which?", ["A", "B"],
    )  # fmt: skip
    assert asked.asked_at == THEN


def test_an_unreadable_question_is_pending_too() -> None:
    asked = working(tool("question", questions=7)).question
    assert asked is not None
    assert not asked.complete


def test_a_pending_shell_tool_is_a_permission_request_with_its_command() -> None:
    pending = working(tool("bash", command="rm -rf /", description="cleans up"))
    assert pending.permission is not None
    assert "rm -rf /" in pending.permission.detail
    assert not pending.permission.complete  # a guess must not be allowed from here


def test_a_shell_tool_called_just_now_is_not_yet_a_request() -> None:
    fresh = working(tool("bash", start=NOW - 100))
    assert fresh.permission is None
    assert fresh.recheck_at > NOW


def test_a_running_shell_tool_is_not_a_request() -> None:
    assert working(tool("bash", runs=True)).permission is None


@pytest.mark.parametrize("name", ["bash", "question", "edit"])
def test_a_tool_with_incomplete_arguments_is_not_a_request(name: str) -> None:
    state = {"status": "pending", "input": {}, "raw": ""}  # as written by every version
    part = {"id": "prt_1", "type": "tool", "tool": name, "callID": "call_1", "state": state}
    stored = msgspec.json.decode(msgspec.json.encode(part), type=StoredPart)
    pending = working(stored, asks=(Ask(NOW, name),), logs_answers=True)
    assert (pending.permission, pending.question, pending.activity) == (None, None, Activity.BUSY)
    assert pending.facts.digest is not None
    assert pending.facts.digest.tool == name


def test_other_tools_are_requests_only_if_the_log_shows_a_permission() -> None:
    edit = tool("edit", filePath="a.txt")
    assert working(edit).permission is None
    assert working(edit, asks=(Ask(THEN + 60, "edit"),)).permission is not None
    assert working(edit, asks=(Ask(THEN + 60, "webfetch"),)).permission is None
    assert working(edit, asks=(Ask(THEN - 5_000, "edit"),)).permission is None  # of an earlier call
    assert working(tool("write"), asks=(Ask(THEN + 60, "edit"),)).permission is not None
    assert working(tool("read"), asks=(Ask(THEN + 60, "external_directory"),)).permission is not None


def test_an_unanswered_permission_in_the_log_is_pending_at_any_age() -> None:
    edit = tool("edit", filePath="a.txt")
    assert working(edit, asks=(Ask(THEN + 60_000, "edit"),), logs_answers=True).permission is not None


def test_the_running_tool_and_its_start_time_are_reported() -> None:
    digest = working(tool("bash", runs=True)).facts.digest
    assert digest is not None
    assert (digest.tool, digest.tool_since) == ("bash", THEN)


def test_the_last_output_of_the_agent_is_reported_but_not_the_prompt() -> None:
    text = msgspec.convert({"id": "prt_2", "type": "text", "text": "one\ntwo"}, StoredPart)
    by_agent = inferred(message("user", THEN - 50), message("assistant", THEN, THEN + 5, finish="stop"), parts=(text,))
    by_user = inferred(message("user", THEN), parts=(text,))
    assert by_agent.facts.digest is not None
    assert by_user.facts.digest is not None
    assert (by_agent.facts.digest.output, by_user.facts.digest.output) == ("two", "")
