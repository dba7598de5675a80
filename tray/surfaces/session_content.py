"""Messages, todos and file changes of a session, from OpenCode's JSON of any version. Used by the CLI and the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import unified_diff
from typing import Any

import msgspec

from tray.core.text import clean


class ToolUse(msgspec.Struct, frozen=True):
    """A tool that the agent used."""

    tool: str
    title: str
    status: str


class ShownMessage(msgspec.Struct, frozen=True):
    """A message with the parts that a user reads: texts as they are, and tools."""

    author: str  # "you", or the agent's name
    at: int  # ms since the Unix epoch; 0: unknown
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
        created = _record(info.get("time")).get("created")
        author = "you" if info.get("role") == "user" else clean(str(info.get("agent") or info.get("role")))
        at = int(created) if isinstance(created, (int, float)) else 0
        yield ShownMessage(author, at, tuple(_parts(message.get("parts"))))


def _parts(parts: Any) -> Iterator[str | ToolUse]:
    for part in _dicts(parts):
        if part.get("type") == "text" and not part.get("synthetic"):
            yield str(part.get("text"))
        elif part.get("type") == "tool":
            state = _record(part.get("state"))
            title, status = str(state.get("title") or part.get("tool")), str(state.get("status"))
            yield ToolUse(clean(str(part.get("tool"))), clean(title), clean(status))


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
