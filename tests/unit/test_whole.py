"""What may be allowed from afar: only what is shown, all of it, and as it is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray.core.text import GOES_ON, TAB, hides, is_shown_whole, width, wrap
from tray.sources.protocol.schema import LONG, PermissionInfo


def asked(**properties: Any) -> Any:
    told = {"id": "per_1", "sessionID": "ses_1", **properties}
    return msgspec.convert(told, PermissionInfo).known(0)


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
def test_opencodes_own_tools_tell_all_that_they_are_going_to_do(properties: dict[str, Any], detail: str) -> None:
    request = asked(**properties)
    assert (request.detail, request.complete) == (detail, True)


@pytest.mark.parametrize(
    "properties",
    [
        {"permission": "bash", "patterns": ["ls -la", "rm -rf foo"], "metadata": {}},  # without what is redirected
        {"permission": "github_delete_repo", "patterns": ["*"], "metadata": {}, "always": ["*"]},  # any tool of MCP's
        {"permission": "task", "patterns": ["general"], "metadata": {"description": "d", "subagent_type": "general"}},
        {"permission": "doom_loop", "patterns": ["glob"], "metadata": {"tool": "glob", "input": {"pattern": "*"}}},
        {"permission": "bash", "metadata": {"command": "ls"}, "more": True},
        {"permission": "bash", "metadata": {"command": "x" * (LONG + 1)}},
        {"permission": "edit", "metadata": {"filepath": "a, b", "diff": "", "files": [{"patch": "-x"}]}},
        {"permission": "read", "metadata": {}},
    ],
)
def test_what_leaves_something_out_is_not_whole(properties: dict[str, Any]) -> None:
    assert not asked(**properties).complete


@pytest.mark.parametrize(
    "text",
    [
        "ls\u3164", "ls\u115f", "a\u200db", "a\ufe0f", "a\U000e0101", "a\u034fb", "rm ~/x\u00a0/tmp", "a\u202eb",
        "a\x1b[0m", "a\rb", "a\u2028b", "e" + "\u0301" * 5, "\ud800", "a\u00adb",
    ],
)  # fmt: skip
def test_what_cannot_be_seen_is_found(text: str) -> None:
    assert hides(text)
    assert not is_shown_whole(text)


@pytest.mark.parametrize("text", ["git push", "日本語", "résumé", "e\u0301", "a  b", "\tx", "one\ntwo", "🙂"])
def test_what_can_be_seen_is_let_through(text: str) -> None:
    assert not hides(text)


def test_where_spaces_are_folded_several_of_them_are_hidden() -> None:
    assert is_shown_whole("a b\nc")
    for text in ("a  b", "\tx", " a", "a "):
        assert not is_shown_whole(text)


def test_a_line_that_goes_on_is_told_from_a_new_one() -> None:
    assert wrap("ls # rm -rf ~/keep", 12) == ["ls # rm ", f"{GOES_ON}-rf ~/keep"]
    assert wrap("ls #\nrm -rf ~", 12) == ["ls #", "rm -rf ~"]
    assert wrap("a\tb", 12) == [f"a{TAB}b"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300), st.integers(8, 60))
def test_wrapped_lines_fit_and_hold_every_letter(text: str, columns: int) -> None:
    lines = wrap(text, columns)
    assert all(width(line) <= columns for line in lines)
    if not hides(text) and TAB not in text and GOES_ON not in text and text.isascii():
        kept = "".join(line.removeprefix(GOES_ON) for line in lines)
        assert kept == "".join(line.rstrip() for line in text.replace("\t", TAB).splitlines())
