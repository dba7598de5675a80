"""The requests that hooks of Claude Code report, and the outputs that answer them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tray.agents.claude.hooks import HookPayload, decode_hook, output_of
from tray.agents.claude.registry import RegistryEntry
from tray.agents.claude.requests import HIDDEN_PLAN, TERMINAL_ONLY, request_of
from tray.agents.claude.transcript import Transcript
from tray.core.sessions import Request, RequestKind
from tray.core.source_calls import CallError

QUESTIONS = [
    {"question": "Which colour?", "header": "Colour", "multiSelect": False,
     "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cool"}]},
    {"question": "Which sizes?", "multiSelect": True, "options": [{"label": "S"}, {"label": "M"}]},
]  # fmt: skip
RULE = {"type": "addRules", "behavior": "allow", "destination": "localSettings",
        "rules": [{"toolName": "Bash", "ruleContent": "make:*"}]}  # fmt: skip
FOLDER = {"type": "addDirectories", "directories": ["/home/user"], "destination": "session"}
MODE = {"type": "setMode", "mode": "acceptEdits", "destination": "session"}


def hook(tool: str, arguments: dict[str, Any], *suggestions: dict[str, Any]) -> HookPayload:
    payload = {
        "hook_event_name": "PermissionRequest", "session_id": "ses", "tool_name": tool, "tool_input": arguments,
        "permission_suggestions": suggestions, "unknown": 1,
    }  # fmt: skip
    decoded = decode_hook(json.dumps(payload).encode())
    assert decoded is not None
    return decoded


def request(payload: HookPayload | None, waiting_for: str = "permission prompt") -> Request:
    entry = RegistryEntry(5, "ses", status="waiting", waiting_for=waiting_for, status_updated_at=9)
    return request_of(entry, Transcript(), payload)


def decision(output: bytes) -> Any:
    value = json.loads(output)["hookSpecificOutput"]
    assert value["hookEventName"] == "PermissionRequest"
    return value["decision"]


@pytest.mark.parametrize(
    ("tool", "arguments", "detail"),
    [
        ("Bash", {"command": "make", "description": "Build"}, "make"),
        ("Bash", {"command": "make", "run_in_background": True}, "make\nrun_in_background: true"),
        ("Edit", {"file_path": "/a.py", "old_string": "x\ny", "new_string": "z"}, "/a.py\n- x\n- y\n+ z"),
        ("Write", {"file_path": "/a.py", "content": "z"}, "/a.py\n+ z"),
        ("mcp__db__query", {"sql": "drop", "limit": [1]}, "sql: drop\nlimit: [1]"),
    ],
)
def test_all_that_a_tool_is_about_to_do_is_shown(tool: str, arguments: dict[str, Any], detail: str):
    shown = request(hook(tool, arguments))
    assert (shown.kind, shown.title, shown.detail) == (RequestKind.PERMISSION, tool, detail)
    assert (shown.complete, shown.read_only_reason) == (True, "")


def test_what_is_too_long_to_be_shown_is_not_complete():
    assert not request(hook("Write", {"file_path": "/a", "content": "x" * 3_000})).complete
    long = [{**QUESTIONS[0], "question": "x" * 3_000}]
    assert not request(hook("AskUserQuestion", {"questions": long})).complete


def test_a_plan_that_the_hook_does_not_contain_can_only_be_rejected_here():
    shown = request(hook("ExitPlanMode", {}))
    assert (shown.title, shown.detail, shown.complete) == ("plan", HIDDEN_PLAN, False)
    assert request(hook("ExitPlanMode", {"plan": "1. Do it"})).complete


def test_without_a_hook_it_can_be_answered_in_the_terminal_only():
    shown = request(None)
    assert (shown.complete, shown.read_only_reason) == (False, TERMINAL_ONLY)
    assert request(None, "input needed").kind is RequestKind.QUESTION


def test_a_question_has_its_options():
    shown = request(hook("AskUserQuestion", {"questions": QUESTIONS}), "input needed")
    assert (shown.kind, shown.title, shown.detail) == (RequestKind.QUESTION, "Colour", "Which colour?")
    assert [[option.label for option in question.options] for question in shown.questions] == [
        ["Red", "Blue"],
        ["S", "M"],
    ]
    assert [question.multiple for question in shown.questions] == [False, True]


@pytest.mark.parametrize("questions", [None, 1, [], [1], [{"options": 1}], [{"options": [1], "question": 2}]])
def test_questions_of_any_shape_are_shown(questions: Any):
    assert request(hook("AskUserQuestion", {"questions": questions})).kind is RequestKind.QUESTION


@pytest.mark.parametrize(
    ("suggestions", "always"),
    [
        ([], ()),
        ([MODE], ()),
        ([MODE, RULE], ("Bash(make:*) (localSettings)",)),
        ([FOLDER, RULE], ("access to /home/user (this session)",)),
        ([{**RULE, "behavior": "deny"}], ()),
        ([{"type": "addRules", "rules": 5}], ()),
    ],
)
def test_always_offers_only_more_of_the_same(suggestions: list[dict[str, Any]], always: tuple[str, ...]):
    payload = hook("Bash", {"command": "make"}, *suggestions)
    assert request(payload).always == always
    expected = [each for each in suggestions if each in (RULE, FOLDER)][:1]
    assert decision(payload.allow(always=True)).get("updatedPermissions", []) == expected


def test_the_outputs():
    bash, ask = hook("Bash", {"command": "make"}), hook("AskUserQuestion", {"questions": QUESTIONS})
    assert decision(output_of(bash, "permission.reply", {"reply": "once"})) == {"behavior": "allow"}
    rejected = decision(output_of(bash, "permission.reply", {"reply": "reject"}))
    assert (rejected["behavior"], rejected["interrupt"]) == ("deny", True)
    other = decision(output_of(bash, "permission.reply", {"reply": "reject", "message": "use ninja"}))
    assert other == {"behavior": "deny", "message": "use ninja"}
    answered = decision(output_of(ask, "question.reply", {"answers": [["Blue"], ["S", "M"]]}))
    assert answered["updatedInput"] == {
        "questions": QUESTIONS, "answers": {"Which colour?": "Blue", "Which sizes?": "S, M"},
    }  # fmt: skip
    assert decision(output_of(ask, "question.reject", {}))["behavior"] == "deny"
    with pytest.raises(CallError):
        output_of(bash, "session.abort", {})


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"session_id": 1}', b"\xff"])
def test_an_invalid_payload_is_ignored(raw: bytes):
    assert decode_hook(raw) is None
