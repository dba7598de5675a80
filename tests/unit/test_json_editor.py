"""Insertions into JSON texts keep everything else, and their removal restores the text byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tray.agents.json_editor import InvalidJsonError, insert, parse, remove

GROUP = {"hooks": [{"type": "command", "command": "x", "timeout": 5}]}
TEXTS = (
    "{}",
    "{ }\n",
    "{\n}\n",
    '{"a": 1}',
    '{\n  "a": 1\n}\n',
    '{\n\t"a": {"b": [1, 2]},\n\t"c": "}, ]"\n}',
    '{"hooks": {}}',
    '{\n  "hooks": {\n  }\n}',
    '{"hooks": {"Stop": []}}',
    '{"hooks": {"Stop": [ ], "Other": [{"hooks": []}]}}',
    '{\n    "hooks": {\n        "Stop": [\n            {"hooks": [{"command": "mine"}]}\n        ]\n    }\n}\n',
    '{"\\u0061": "\\ud83d\\ude00", "ö": "\\"{"}',
)
WITH_COMMENTS = (
    "{ // none\n}",
    '{\n  // first\n  "a": 1, /* , } */\n  "b": [1, 2,], // last\n}\n',
    '// head\n{"hooks": {"Stop": [ /* empty */ ]}}',
)


def installed(text: str, *, comments: bool) -> tuple[str, tuple[str | int, ...]]:
    """Return the text with a group at the end of hooks.Stop, and the path of the group."""
    value = parse(text, comments=comments)
    if "hooks" not in value:
        return insert(text, ("hooks",), {"Stop": [GROUP]}, comments=comments), ("hooks", "Stop", 0)
    if "Stop" not in value["hooks"]:
        return insert(text, ("hooks", "Stop"), [GROUP], comments=comments), ("hooks", "Stop", 0)
    groups = value["hooks"]["Stop"]
    return insert(text, ("hooks", "Stop", -1), GROUP, comments=comments), ("hooks", "Stop", len(groups))


@pytest.mark.parametrize(
    ("text", "comments"), [*((text, False) for text in TEXTS), *((t, True) for t in WITH_COMMENTS)]
)
def test_a_removal_restores_the_text_byte_for_byte(text: str, comments: bool):
    changed, path = installed(text, comments=comments)
    value, expected = parse(changed, comments=comments), parse(text, comments=comments)
    expected.setdefault("hooks", {}).setdefault("Stop", []).append(GROUP)
    assert value == expected
    assert remove(changed, path, comments=comments) == text


def test_a_value_has_the_layout_of_its_neighbours():
    assert insert('{\n    "a": 1\n}', ("b",), [1]) == '{\n    "a": 1,\n    "b": [\n      1\n    ]\n}'


def test_nothing_is_left_of_a_text_that_was_created():
    assert remove(json.dumps({"hooks": {"Stop": [GROUP]}}, indent=2), ("hooks", "Stop", 0)) == ""


def test_the_first_of_several_can_be_removed():
    assert remove('{"a": 1, "b": 2}', ("a",)) == '{"b": 2}'


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1} x', '{"a": NaN,}', '{"a": 1,}', "// x\n{}"])
def test_invalid_json_is_refused(text: str):
    with pytest.raises(InvalidJsonError):
        insert(text, ("b",), 1)


@pytest.mark.parametrize("text", ["\n", "// x", "{,"])
def test_invalid_json_with_comments_is_refused(text: str):
    with pytest.raises(InvalidJsonError, match="line 1"):
        parse(text, comments=True)


@pytest.mark.parametrize("path", [("a", -1), ("a", "b"), ("none", "b"), (-1,)])
def test_a_path_that_does_not_fit_is_refused(path: tuple[str | int, ...]):
    with pytest.raises(InvalidJsonError):
        insert('{"a": "text"}', path, 1)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(value=st.dictionaries(st.text(max_size=3), values, max_size=3), indent=st.sampled_from([None, 0, 1, "\t"]))
def test_any_object_is_restored(value: dict[str, Any], indent: int | str | None):
    text = json.dumps({**value, "own": None}, indent=indent)
    changed = insert(text, ("hooks",), GROUP) if "hooks" not in value else text
    assert parse(changed) == {**json.loads(text), "hooks": value.get("hooks", GROUP)}
    if "hooks" not in value:
        assert remove(changed, ("hooks",)) == text


@pytest.mark.parametrize("depth", [900, 5_000])
def test_a_text_that_is_nested_too_deeply_is_refused(depth: int):
    """The parser of Python 3.12 and newer takes more levels than a function that calls itself."""
    text = f'{{"a": {"[" * depth}{"]" * depth}}}'
    if depth == 900:
        assert parse(insert(text, ("b",), 1))["b"] == 1
    else:
        with pytest.raises(InvalidJsonError):
            insert(text, ("b",), 1)
