"""Markdown becomes a tree of known elements: no HTML, script, image or dangerous link survives as an element."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray.surfaces.page.markdown import LINKS, MAX_TEXT, TAGS, render

ALLOWED = TAGS | {"a", "br", "code", "hr", "pre"}


def elements(nodes: list[Any]) -> list[list[Any]]:
    found = []
    for node in nodes:
        if isinstance(node, list):
            found += [node, *elements(node[2:])]
    return found


def test_markdown_becomes_elements() -> None:
    text = "# Title\n\nSome **bold** `code`\n\n- one\n- two\n\n```py\nx = 1\n```\n\n| a |\n|---|\n| b |\n"
    assert render(text) == [
        ["h1", {}, "Title"],
        ["p", {}, "Some ", ["strong", {}, "bold"], " ", ["code", {}, "code"]],
        ["ul", {}, ["li", {}, "one"], ["li", {}, "two"]],
        ["pre", {"data-language": "py"}, ["code", {}, "x = 1\n"]],
        ["table", {}, ["thead", {}, ["tr", {}, ["th", {}, "a"]]], ["tbody", {}, ["tr", {}, ["td", {}, "b"]]]],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![x](http://evil.example/x.png)",
        "[x](javascript:alert(1))",
        "[x](data:text/html,x)",
        "[x](vbscript:x)",
        "<javascript:alert(1)>",
        "[x](//evil.example)",
        "a <b onclick=x>b</b>",
    ],
)
def test_hostile_markdown_has_no_scripts_images_or_such_links(text: str) -> None:
    for tag, attributes, *_ in elements(render(text)):
        assert tag in ALLOWED
        assert set(attributes) <= {"href", "data-language"}
        assert attributes.get("href", "http://x").split(":")[0] in LINKS


@given(st.text(max_size=300))
def test_any_text_becomes_known_elements(text: str) -> None:
    assert {tag for tag, *_ in elements(render(text))} <= ALLOWED


def test_a_long_text_is_cut() -> None:
    assert len(str(render("x " * MAX_TEXT))) < MAX_TEXT + 200
