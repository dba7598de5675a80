"""What a stored session does: each rule, and what must never be concluded."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tray.core.model import Activity, RequestKind
from tray.sources.local.inference import STEP, THINKS, Inferred, infer
from tray.sources.local.logs import Ask
from tray.sources.local.records import StoredPart, StoredSession
from tray.sources.protocol.schema import MessageInfo, SessionInfo

STARTED = 1_000_000  # when the process began
NOW = STARTED + 600_000
THEN = NOW - 10_000
SES = SessionInfo("ses_1", title="Work", directory="/home/me/work")
QUESTION = {"questions": [{"question": "Which?", "header": "Pick", "options": [{"label": "A"}, {"label": "B"}]}]}


def message(role: str, created: int, completed: int | None = None, **more: Any) -> MessageInfo:
    time = {"created": created} | ({"completed": completed} if completed else {})
    return msgspec.convert({"id": f"msg_{created}", "role": role, "time": time, **more}, MessageInfo)


def tool(name: str, *, status: str = "running", start: int = THEN, begun: bool = False, **given: Any) -> StoredPart:
    state = {"status": status, "input": given, "time": {"start": start}} | ({"metadata": {}} if begun else {})
    told = {"id": "prt_1", "type": "tool", "tool": name, "callID": "call_1", "state": state}
    return msgspec.json.decode(msgspec.json.encode(told), type=StoredPart)


def inferred(
    *messages: MessageInfo, parts: tuple[StoredPart, ...] = (), asks: tuple[Ask, ...] = (), now: int = NOW,
    tells_answers: bool = False,
) -> Inferred:  # fmt: skip
    stored = StoredSession(SES, messages, len(messages), parts)
    return infer(stored, asks, STARTED, now, tells_answers=tells_answers)


def working(*parts: StoredPart, asks: tuple[Ask, ...] = (), **more: Any) -> Inferred:
    return inferred(message("user", THEN - 50), message("assistant", THEN), parts=parts, asks=asks, **more)


def test_an_empty_session_is_idle() -> None:
    assert inferred().activity is Activity.IDLE


def test_after_a_prompt_the_model_thinks_but_not_for_ever() -> None:
    prompt = message("user", THEN)
    thinking = inferred(prompt)
    assert (thinking.activity, thinking.again) == (Activity.BUSY, THEN + THINKS)
    assert inferred(prompt, now=THEN + THINKS).activity is Activity.IDLE


def test_an_answer_without_an_end_is_being_written() -> None:
    assert working().activity is Activity.BUSY


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize("name", ["bash", "question"])
def test_what_a_process_before_this_one_left_unfinished_is_no_work(role: str, name: str) -> None:
    given = QUESTION if name == "question" else {"command": "ls"}
    part = tool(name, start=STARTED - 1, **given)
    left = inferred(message(role, STARTED - 1), parts=(part,), now=STARTED + 5)
    assert (left.activity, left.permission, left.question) == (Activity.IDLE, None, None)


@pytest.mark.parametrize("finish", ["stop", "length", "other"])
def test_an_answer_that_has_ended_is_idle(finish: str) -> None:
    done = inferred(message("user", THEN - 50), message("assistant", THEN, THEN + 5, finish=finish))
    assert (done.activity, done.again) == (Activity.IDLE, 0)


def test_between_two_steps_the_turn_goes_on_but_a_rejected_permission_ends_it() -> None:
    step = message("assistant", THEN, NOW - 10, finish="tool-calls")
    between = inferred(step)
    assert (between.activity, between.again) == (Activity.BUSY, NOW - 10 + STEP)
    assert inferred(step, now=NOW - 10 + STEP).activity is Activity.IDLE


def test_an_error_is_told_and_ends_the_turn() -> None:
    failed = inferred(message("assistant", THEN, THEN + 5, error={"name": "APIError", "data": {"message": "no"}}))
    assert failed.activity is Activity.IDLE
    assert failed.facts.digest is not None
    assert failed.facts.digest.last is not None
    assert failed.facts.digest.last.error == "APIError"


def test_a_question_that_runs_waits_for_an_answer() -> None:
    asked = working(tool("question", **QUESTION)).question
    assert asked is not None
    assert (asked.kind, asked.detail, [o.label for o in asked.questions[0].options]) == (
        RequestKind.QUESTION, "Which?", ["A", "B"],
    )  # fmt: skip
    assert asked.asked_at == THEN


def test_a_question_that_cannot_be_read_waits_all_the_same() -> None:
    asked = working(tool("question", questions=7)).question
    assert asked is not None
    assert not asked.complete


def test_a_shell_that_has_not_begun_waits_for_a_permission_and_says_its_command() -> None:
    told = working(tool("bash", command="rm -rf /", description="cleans up"))
    assert told.permission is not None
    assert "rm -rf /" in told.permission.detail
    assert not told.permission.complete  # a guess is never to be allowed unseen


def test_a_shell_that_was_called_just_now_may_begin_by_itself() -> None:
    fresh = working(tool("bash", start=NOW - 100))
    assert fresh.permission is None
    assert fresh.again > NOW


def test_a_shell_that_runs_waits_for_nobody() -> None:
    assert working(tool("bash", begun=True)).permission is None


@pytest.mark.parametrize("name", ["bash", "question", "edit"])
def test_a_tool_whose_arguments_are_still_being_written_waits_for_nobody(name: str) -> None:
    state = {"status": "pending", "input": {}, "raw": ""}  # as every version writes it
    told = {"id": "prt_1", "type": "tool", "tool": name, "callID": "call_1", "state": state}
    part = msgspec.json.decode(msgspec.json.encode(told), type=StoredPart)
    one = working(part, asks=(Ask(NOW, name),), tells_answers=True)
    assert (one.permission, one.question, one.activity) == (None, None, Activity.BUSY)
    assert one.facts.digest is not None
    assert one.facts.digest.tool == name


def test_another_tool_waits_only_if_a_permission_for_it_was_asked() -> None:
    edit = tool("edit", filePath="a.txt")
    assert working(edit).permission is None
    assert working(edit, asks=(Ask(THEN + 60, "edit"),)).permission is not None
    assert working(edit, asks=(Ask(THEN + 60, "webfetch"),)).permission is None
    assert working(edit, asks=(Ask(THEN - 5_000, "edit"),)).permission is None  # of a call before
    assert working(tool("write"), asks=(Ask(THEN + 60, "edit"),)).permission is not None
    assert working(tool("read"), asks=(Ask(THEN + 60, "external_directory"),)).permission is not None


def test_where_the_log_tells_answers_an_ask_that_is_left_waits_however_old_it_is() -> None:
    edit = tool("edit", filePath="a.txt")
    assert working(edit, asks=(Ask(THEN + 60_000, "edit"),), tells_answers=True).permission is not None


def test_the_tool_that_runs_and_when_it_began_is_told() -> None:
    digest = working(tool("bash", begun=True)).facts.digest
    assert digest is not None
    assert (digest.tool, digest.tool_since) == ("bash", THEN)


def test_what_the_agent_wrote_last_is_told_and_what_the_person_wrote_is_not() -> None:
    text = msgspec.convert({"id": "prt_2", "type": "text", "text": "one\ntwo"}, StoredPart)
    by_agent = inferred(message("user", THEN - 50), message("assistant", THEN, THEN + 5, finish="stop"), parts=(text,))
    by_person = inferred(message("user", THEN), parts=(text,))
    assert by_agent.facts.digest is not None
    assert by_person.facts.digest is not None
    assert (by_agent.facts.digest.output, by_person.facts.digest.output) == ("two", "")
