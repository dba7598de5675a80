"""What the registry and the transcript of Claude Code say together."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from claude_lines import answer, prompt, text, tool, transcript
from tray.agents.claude.inference import is_settling, snapshot
from tray.agents.claude.registry import RegistryEntry, configuration_folder, read_registry
from tray.agents.claude.transcript import Transcript
from tray.core.events import SnapshotTaken
from tray.core.sessions import Activity, Request

ENTRY = RegistryEntry(7, "ses", "/home/dev/project", status="busy", status_updated_at=5, name="project-f1")
EMPTY = Transcript()


def activity(entry: RegistryEntry, read: Transcript = EMPTY, *, has_ended: bool = False) -> Activity:
    taken = snapshot("server", entry, read, has_ended=has_ended)
    assert taken.activities is not None
    return taken.activities["ses"][0]


def waiting(waiting_for: str, *blocks: dict[str, Any]) -> SnapshotTaken:
    entry = replace(ENTRY, status="waiting", waiting_for=waiting_for)
    return snapshot("server", entry, transcript(answer(*blocks, stop_reason="tool_use")))


def permission(*blocks: dict[str, Any], waiting_for: str = "permission prompt") -> Request:
    taken = waiting(waiting_for, *blocks)
    assert taken.questions == ()
    assert taken.permissions is not None
    (request,) = taken.permissions
    return request


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("busy", Activity.BUSY),
        ("waiting", Activity.BUSY),
        ("idle", Activity.IDLE),
        ("shell", Activity.IDLE),
        ("", Activity.IDLE),
    ],
)
def test_the_registry_says_whether_a_turn_runs(status: str, expected: Activity) -> None:
    assert activity(replace(ENTRY, status=status)) is expected


def test_a_permission_is_shown_with_the_tool_that_waits() -> None:
    request = permission(text("I will"), tool(command="touch a.txt", description="Create"))
    assert (request.id, request.title, request.detail) == ("toolu_1", "Bash", "touch a.txt")
    assert (request.complete, request.asked_at) == (False, 5)


def test_a_plan_and_a_dialog_about_a_tool_are_permissions_too() -> None:
    assert permission(tool("ExitPlanMode", plan="1. Do it")).title == "plan"
    assert permission(tool(command="make"), waiting_for="dialog open").detail == "make"
    request = permission(text("x"))
    assert (request.id, request.title, request.detail) == ("7-5", "permission prompt", "permission prompt")


def test_a_menu_that_the_user_opened_is_not_a_request() -> None:
    entry = replace(ENTRY, status="waiting", waiting_for="dialog open", status_updated_at=5)
    finished = transcript(prompt("do it"), answer(text("done")))
    for read, expected in ((EMPTY, Activity.IDLE), (finished, Activity.IDLE), (transcript(prompt("x")), Activity.BUSY)):
        taken = snapshot("server", entry, read)
        assert (taken.permissions, taken.questions) == ((), ())
        assert activity(entry, read) is expected
        assert not is_settling(entry, read, 5)


def test_a_question_is_shown_with_its_options() -> None:
    asked = {
        "question": "Which colour?", "header": "Colour", "multiSelect": True,
        "options": [{"label": "Red", "description": "warm"}, {"label": "Blue"}],
    }  # fmt: skip
    taken = waiting("input needed", tool("AskUserQuestion", questions=[asked]))
    assert taken.permissions == ()
    assert taken.questions is not None
    (request,) = taken.questions
    (question,) = request.questions
    assert (request.title, request.detail, question.multiple) == ("Colour", "Which colour?", True)
    assert [(option.label, option.description) for option in question.options] == [("Red", "warm"), ("Blue", "")]


@pytest.mark.parametrize("arguments", [{}, {"questions": "x"}, {"questions": [1]}])
def test_a_question_of_another_shape_is_shown_without_options(arguments: dict[str, Any]) -> None:
    taken = waiting("input needed", tool("AskUserQuestion", **arguments))
    assert taken.questions is not None
    assert [(request.title, request.questions) for request in taken.questions] == [("question", ())]


def test_a_retry_is_shown_while_the_turn_runs() -> None:
    error = {"type": "system", "subtype": "api_error", "retryAttempt": 1, "error": {"formatted": "500"}}
    read = transcript(prompt("do it"), error)
    assert activity(ENTRY, read) is Activity.RETRY
    assert activity(replace(ENTRY, status="idle"), read) is Activity.IDLE


def test_a_process_that_ended_was_working_unless_its_last_answer_is_final() -> None:
    running = transcript(prompt("do it"), answer(tool(), stop_reason="tool_use"))
    finished = transcript(prompt("do it"), answer(text("done")))
    asked_again = transcript(answer(text("done")), {**prompt("more"), "timestamp": "2026-11-25T23:00:00.000Z"})
    assert activity(ENTRY, running, has_ended=True) is Activity.BUSY
    assert activity(ENTRY, asked_again, has_ended=True) is Activity.BUSY
    assert activity(ENTRY, finished, has_ended=True) is Activity.IDLE


def settling(entry: RegistryEntry, read: Transcript, *times: int) -> list[bool]:
    return [is_settling(entry, read, at) for at in times]


def test_the_end_of_a_turn_is_final_when_the_transcript_says_how_or_after_a_second() -> None:
    running = transcript(prompt("do it"), answer(tool(), stop_reason="tool_use"))
    idle = replace(ENTRY, status="idle", status_updated_at=5)
    assert settling(idle, running, 4, 5, 1_004, 1_005) == [False, True, True, False]
    assert settling(idle, EMPTY, 5) == [False]


def test_an_ended_turn_is_final_after_100_ms_in_which_the_next_one_may_begin() -> None:
    finished = transcript(prompt("do it"), answer(text("done")))
    assert settling(replace(ENTRY, status="idle", status_updated_at=5), finished, 5, 104, 105) == [True, True, False]


def test_a_request_is_final_when_the_transcript_names_the_tool_or_after_300_ms() -> None:
    entry = replace(ENTRY, status="waiting", waiting_for="permission prompt", status_updated_at=5)
    asking = transcript(answer(tool(), stop_reason="tool_use"))
    assert settling(entry, EMPTY, 5, 304, 305) == [True, True, False]
    assert settling(entry, asking, 5) == [False]


def test_a_name_that_claude_derived_from_the_directory_is_not_a_title() -> None:
    def title(entry: RegistryEntry, read: Transcript = EMPTY) -> str | None:
        (facts,) = snapshot("server", entry, read).sessions or ()
        return facts.title

    assert title(replace(ENTRY, name_source="derived")) == ""
    assert title(replace(ENTRY, name_source="user")) == "project-f1"
    assert title(replace(ENTRY, name_source="user"), transcript(prompt("do it"))) == "do it"


def test_the_registry_is_read_without_broken_and_foreign_files(tmp_path: Path) -> None:
    folder = configuration_folder({"CLAUDE_CONFIG_DIR": str(tmp_path)}, Path("/home/dev"))
    (folder / "sessions").mkdir()
    entry = {"pid": 7, "sessionId": "ses", "cwd": "/p", "procStart": "99", "status": "idle", "new": {"field": 1}}
    for name, content in (("7.json", json.dumps(entry)), ("8.json", "{"), ("9.json", '{"pid": "x"}'), ("10.key", "x")):
        (folder / "sessions" / name).write_text(content, encoding="utf-8")
    assert [(entry.pid, entry.proc_start, entry.status) for entry in read_registry(folder)] == [(7, "99", "idle")]
    assert read_registry(tmp_path / "none") == []
    assert configuration_folder({}, Path("/home/dev")) == Path("/home/dev/.claude")


def test_a_registry_file_that_is_being_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "sessions" / "7.json"
    file.parent.mkdir()
    file.write_text('{"pid": 7, "sessionId": "ses"}}', encoding="utf-8")  # the rest of a longer text is not cut yet
    timer = threading.Timer(0.01, lambda: file.write_text('{"pid": 7, "sessionId": "ses"}', encoding="utf-8"))
    timer.start()
    assert [entry.pid for entry in read_registry(tmp_path)] == [7]
    timer.join()


def test_many_invalid_files_of_the_registry_wait_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("tray.agents.claude.registry.time.sleep", pauses.append)
    (tmp_path / "sessions").mkdir()
    for number in range(100):
        (tmp_path / "sessions" / f"{number}.json").write_text("{", encoding="utf-8")
    (tmp_path / "sessions" / "7000.json").write_text('{"pid": 7000, "sessionId": "ses"}', encoding="utf-8")
    assert [entry.pid for entry in read_registry(tmp_path)] == [7000]
    assert sum(pauses) < 0.05
