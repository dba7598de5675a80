"""Messages, todos and file changes of a session, from OpenCode's JSON of any version. Used by the CLI and the page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from difflib import unified_diff
from typing import Any

import msgspec

from tray.core.text import clean

MAX_ERROR = 300  # characters


class ToolUse(msgspec.Struct, frozen=True):
    """A tool that the agent used."""

    tool: str
    title: str
    status: str
    at: int = 0  # when it started, in ms since the Unix epoch; 0: unknown
    took: int = 0  # ms; 0: unknown


class ShownMessage(msgspec.Struct, frozen=True):
    """A message with the parts that a user reads: texts as they are, and tools."""

    author: str  # "you", or the agent's name
    at: int  # ms since the Unix epoch; 0: unknown
    error: str  # why the agent's message ended early; "": it did not
    parts: tuple[str | ToolUse, ...]


class FileDiff(msgspec.Struct, frozen=True):
    """The change of one file."""

    file: str
    additions: str
    deletions: str
    lines: tuple[str, ...]  # of the patch, without its header


def read_messages(messages: Any) -> Iterator[ShownMessage]:
    """Yield the messages of `session.messages`."""
    for message in _dicts(messages):
        info = _record(message.get("info"))
        author = "you" if info.get("role") == "user" else clean(str(info.get("agent") or info.get("role")))
        at = _time(info, "created")
        yield ShownMessage(author, at, _error(info.get("error")), tuple(_parts(message.get("parts"))))


def _time(record: dict[str, Any], name: str) -> int:
    """Return one of the times of a record in ms since the Unix epoch; 0 if it is unknown."""
    value = _record(record.get("time")).get(name)
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0


def _error(error: Any) -> str:
    name, message = _record(error).get("name"), _record(_record(error).get("data")).get("message")
    return clean(str(message or name or ""))[:MAX_ERROR]


def _parts(parts: Any) -> Iterator[str | ToolUse]:
    for part in _dicts(parts):
        if part.get("type") == "text" and not part.get("synthetic"):
            yield str(part.get("text"))
        elif part.get("type") == "tool":
            state = _record(part.get("state"))
            title, status = str(state.get("title") or part.get("tool")), str(state.get("status"))
            started, ended = _time(state, "start"), _time(state, "end")
            took = max(0, ended - started) if started and ended else 0
            yield ToolUse(clean(str(part.get("tool"))), clean(title), clean(status), started, took)


def read_diff(files: Any) -> Iterator[FileDiff]:
    """Yield the file changes of `session.diff`."""
    for file in _dicts(files):
        added, removed = (clean(str(file.get(count, 0))) for count in ("additions", "deletions"))
        yield FileDiff(clean(str(file.get("file"))), added, removed, tuple(_patch(file)))


def _patch(file: Mapping[str, Any]) -> Iterable[str]:
    """Return the lines of the patch. OpenCode up to 1.2 sends the old and the new content of the file instead."""
    if isinstance(file.get("patch"), str):
        lines = str(file["patch"]).splitlines()
        shown = [line for line in lines if not line.startswith(("Index: ", "=====", "--- ", "+++ "))]
    else:
        before, after = (str(file.get(name) or "").splitlines() for name in ("before", "after"))
        shown = list(unified_diff(before, after, lineterm="", n=3))[2:]
    return ["".join(c if c.isprintable() else " " for c in line) for line in shown]


def read_todos(todos: Any) -> Iterator[tuple[str, str]]:
    """Yield content and status of each item of `session.todo`."""
    for todo in _dicts(todos):
        yield clean(str(todo.get("content"))), str(todo.get("status"))


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _record(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
