"""Describe what a tool is about to do, from its arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

MAX_TEXT = 2_000  # characters kept
# The arguments that tell what a tool does, in order of preference.
_SUBJECTS = ("command", "file_path", "notebook_path", "url", "query", "pattern", "plan", "prompt", "description")
_REMARKS = ("description",)  # the agent's own words about the call, which change nothing
# The arguments that are texts of a file, with the mark of their lines.
_CONTENTS = {"old_string": "-", "new_string": "+", "content": "+", "new_source": "+"}


def subject_of(arguments: Mapping[str, Any]) -> str:
    """Return the argument that tells best what the tool does, or ""."""
    name = _subject_name(arguments)
    return str(arguments[name])[:MAX_TEXT] if name else ""


def describe(arguments: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the whole of what a tool is about to do, and whether nothing had to be cut."""
    name = _subject_name(arguments)
    lines = [str(arguments[name])] if name else []
    for key, value in arguments.items():
        if key != name and key not in _REMARKS:
            lines += _lines(key, value)
    text = "\n".join(lines)
    return text[:MAX_TEXT], len(text) <= MAX_TEXT


def _subject_name(arguments: Mapping[str, Any]) -> str:
    return next((name for name in _SUBJECTS if isinstance(text := arguments.get(name), str) and text), "")


def _lines(name: str, value: Any) -> Iterator[str]:
    if name in _CONTENTS and isinstance(value, str):
        yield from (f"{_CONTENTS[name]} {line}" for line in value.splitlines())
    else:
        yield f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
