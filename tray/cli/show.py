"""`messages`, `todos` and `diff`: print the messages, the todo list and the file changes of a session."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import unified_diff
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from tray.cli.client import call_tray
from tray.cli.exit_codes import FAILED, OK
from tray.core.text import clean
from tray.system.local_time import local_time

_MARKS = {"completed": "✓", "in_progress": "◐", "cancelled": "✕"}


class _View(NamedTuple):
    lines: Callable[[Any], Iterable[Text]]  # from the result of the call
    empty: str  # printed if there are no lines


def show(options: argparse.Namespace) -> int:
    """Print what the command reads, as text or as OpenCode's JSON. Exit code 1 if it failed. Raises UserError."""
    params = {"session": options.session, "limit": getattr(options, "limit", 20)}
    result = call_tray(options.port, options.command, params)
    if not result["ok"]:
        print(clean(result["message"]), file=sys.stderr)
        return FAILED
    if options.json:
        print(json.dumps(result["result"], ensure_ascii=False))
        return OK
    view = _VIEWS[options.command]
    console = Console(highlight=False, soft_wrap=True)
    for line in list(view.lines(result["result"])) or [Text(view.empty)]:
        console.print(line)
    return OK


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _record(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _messages(messages: Any) -> Iterable[Text]:
    for message in _dicts(messages):
        info = _record(message.get("info"))
        time = _local_time(_record(info.get("time")).get("created"))
        author = "you" if info.get("role") == "user" else clean(str(info.get("agent") or info.get("role")))
        yield Text(f"── {author} {time}".rstrip(), "bold")
        for part in _dicts(message.get("parts")):
            if part.get("type") == "text" and not part.get("synthetic"):
                yield from (Text(clean(line)) for line in str(part.get("text")).splitlines())
            elif part.get("type") == "tool":
                state = _record(part.get("state"))
                title = clean(str(state.get("title") or part.get("tool")))
                yield Text(f"  {clean(str(part.get('tool')))}: {title} ({clean(str(state.get('status')))})", "dim")


def _local_time(ms: Any) -> str:
    time = local_time(ms) if isinstance(ms, (int, float)) else None
    return "" if time is None else f"{time:%H:%M}"


def _todos(todos: Any) -> Iterable[Text]:
    for todo in _dicts(todos):
        yield Text(f"{_MARKS.get(str(todo.get('status')), '○')} {clean(str(todo.get('content')))}")


def _diff(files: Any) -> Iterable[Text]:
    for file in _dicts(files):
        name = clean(str(file.get("file")))
        added, removed = (clean(str(file.get(count, 0))) for count in ("additions", "deletions"))
        yield Text(f"{name}  +{added} -{removed}", "bold")
        for line in _patch(file):
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
            yield Text("".join(c if c.isprintable() else " " for c in line), style)


def _patch(file: Mapping[str, Any]) -> Iterable[str]:
    """Return the lines of the patch. OpenCode up to 1.2 sends the old and the new content of the file instead."""
    if isinstance(file.get("patch"), str):
        lines = str(file["patch"]).splitlines()
        return [line for line in lines if not line.startswith(("Index: ", "=====", "--- ", "+++ "))]
    before, after = (str(file.get(name) or "").splitlines() for name in ("before", "after"))
    return list(unified_diff(before, after, lineterm="", n=3))[2:]


_VIEWS = {
    "messages": _View(_messages, "This session has no messages"),
    "todos": _View(_todos, "This session has no todos"),
    "diff": _View(_diff, "This session has no file changes"),
}
