"""A request can be allowed from menu and notification only if all of it is shown unchanged."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray.core.text import GOES_ON, TAB, hides, is_shown_whole, width, wrap
from tray.sources.protocol.requests import MAX_OPTIONS, MAX_PATTERNS, PermissionInfo, QuestionInfo
from tray.sources.protocol.schema import LONG


def permission(**properties: Any) -> Any:
    return msgspec.convert({"id": "per_1", "sessionID": "ses_1", **properties}, PermissionInfo).to_core(0)


def question(**properties: Any) -> Any:
    questions = [{"question": "Which?", "options": [{"label": "Red"}, {"label": "Blue"}], **properties}]
    return msgspec.convert({"id": "que_1", "sessionID": "ses_1", "questions": questions}, QuestionInfo).to_core(0)


@pytest.mark.parametrize(
    ("properties", "detail"),
    [
        ({"permission": "bash", "metadata": {"command": "ls > x"}, "patterns": ["ls"]}, "ls > x"),
        ({"type": "bash", "title": "ls", "metadata": {"command": "ls", "patterns": ["ls *"]}}, "ls"),
        (
            {"permission": "edit", "metadata": {"filepath": "/a.txt", "diff": "-one\n+two"}, "patterns": ["a.txt"]},
            "/a.txt\n-one\n+two",
        ),
        ({"type": "write", "metadata": {"filePath": "/a.txt", "content": "one", "exists": False}}, "/a.txt\none"),
        ({"permission": "webfetch", "metadata": {"url": "http://x/", "format": "text", "timeout": 3}}, "http://x/"),
        (
            {
                "permission": "external_directory",
                "patterns": ["/o/*"],
                "metadata": {"command": "cat /o/x", "directories": ["/o"], "patterns": ["/o/*"]},
            },
            "/o/*\ncat /o/x\ndirectories: /o",
        ),
        ({"permission": "read", "patterns": [".env"], "metadata": {}}, ".env"),
        ({"permission": "grep", "patterns": ["x"], "metadata": {"pattern": "x", "path": "/a"}}, "x\npath: /a"),
    ],
)
def test_permissions_of_opencodes_tools_are_complete(properties: dict[str, Any], detail: str) -> None:
    request = permission(**properties)
    assert (request.detail, request.complete) == (detail, True)


@pytest.mark.parametrize(
    "properties",
    [
        {"permission": "bash", "patterns": ["ls -la", "rm -rf foo"], "metadata": {}},  # without redirections
        {
            "permission": "github_delete_repo",
            "patterns": ["*"],
            "metadata": {},
            "always": ["*"],
        },  # of an MCP server
        {"permission": "task", "patterns": ["general"], "metadata": {"description": "d", "subagent_type": "general"}},
        {"permission": "doom_loop", "patterns": ["glob"], "metadata": {"tool": "glob", "input": {"pattern": "*"}}},
        {"permission": "bash", "metadata": {"command": "ls"}, "more": True},
        {"permission": "bash", "metadata": {"command": "x" * (LONG + 1)}},
        {"permission": "edit", "metadata": {"filepath": "a, b", "diff": "", "files": [{"patch": "-x"}]}},
        {"permission": "read", "metadata": {}},
        {"permission": "bash", "metadata": {"command": "ls"}, "always": ["ls *"] * (MAX_PATTERNS + 1)},
        {"permission": "bash", "metadata": {"command": "ls"}, "always": ["x" * (LONG + 1)]},
    ],
)
def test_a_permission_that_leaves_something_out_is_not_complete(properties: dict[str, Any]) -> None:
    assert not permission(**properties).complete


def test_a_question_with_all_options_is_complete() -> None:
    assert question().complete


@pytest.mark.parametrize(
    "properties",
    [
        {"question": "x" * (LONG + 1)},
        {"options": [{"label": str(number)} for number in range(MAX_OPTIONS + 1)]},
        {"options": [{"label": "x" * (LONG + 1)}]},
        {"options": [{"label": "x", "description": "x" * (LONG + 1)}]},
    ],
)
def test_a_question_that_was_cut_is_not_complete(properties: dict[str, Any]) -> None:
    assert not question(**properties).complete


@pytest.mark.parametrize(
    "text",
    [
        "ls\u3164", "ls\u115f", "a\u200db", "a\ufe0f", "a\U000e0101", "a\u034fb", "rm ~/x\u00a0/tmp", "a\u202eb",
        "a\x1b[0m", "a\rb", "a\u2028b", "e" + "\u0301" * 5, "\ud800", "a\u00adb",
    ],
)  # fmt: skip
def test_invisible_characters_are_found(text: str) -> None:
    assert hides(text)
    assert not is_shown_whole(text)


@pytest.mark.parametrize("text", ["git push", "日本語", "résumé", "e\u0301", "a  b", "\tx", "one\ntwo", "🙂"])
def test_visible_characters_are_allowed(text: str) -> None:
    assert not hides(text)


def test_text_with_folded_spaces_is_not_shown_whole() -> None:
    assert is_shown_whole("a b\nc")
    for text in ("a  b", "\tx", " a", "a "):
        assert not is_shown_whole(text)


def test_a_continued_line_differs_from_a_new_line() -> None:
    assert wrap("ls # rm -rf ~/keep", 12) == ["ls # rm ", f"{GOES_ON}-rf ~/keep"]
    assert wrap("ls #\nrm -rf ~", 12) == ["ls #", "rm -rf ~"]
    assert wrap("a\tb", 12) == [f"a{TAB}b"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), st.integers(8, 60))
def test_wrapped_lines_fit_and_keep_every_letter(text: str, columns: int) -> None:
    lines = wrap(text, columns)
    assert all(width(line) <= columns for line in lines)
    if not hides(text) and TAB not in text and GOES_ON not in text and text.isascii():
        kept = "".join(line.removeprefix(GOES_ON) for line in lines)
        assert kept == "".join(line.rstrip() for line in text.replace("\t", TAB).splitlines())
