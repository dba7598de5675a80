"""`messages`, `todos` and `diff`: what a session said, plans and changed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import unified_diff
from typing import Any

from rich.console import Console
from rich.text import Text

from tray.cli.client import call_tray
from tray.cli.exit_codes import FAILED, OK
from tray.core.text import clean
from tray.system.local_time import local_time

_MARKS = {"completed": "✓", "in_progress": "◐", "cancelled": "✕"}


def _reader(method: str, nothing: str, show: Callable[[Any], Iterable[Text]]) -> Callable[[argparse.Namespace], int]:
    def read(options: argparse.Namespace) -> int:
        """Print it, as JSON or for a person. Exit code 1 if it could not be read."""
        done = call_tray(options.port, method, {"session": options.session, "limit": getattr(options, "limit", 20)})
        if not done["ok"]:
            print(done["message"], file=sys.stderr)
            return FAILED
        if options.json:
            print(json.dumps(done["result"], ensure_ascii=False))
            return OK
        console = Console(highlight=False, soft_wrap=True)
        for line in list(show(done["result"])) or [Text(nothing)]:
            console.print(line)
        return OK

    return read


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _record(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _messages(messages: Any) -> Iterable[Text]:
    for message in _dicts(messages):
        info = _record(message.get("info"))
        at = _clock(_record(info.get("time")).get("created"))
        who = "you" if info.get("role") == "user" else clean(str(info.get("agent") or info.get("role")))
        yield Text(f"── {who} {at}".rstrip(), "bold")
        for part in _dicts(message.get("parts")):
            if part.get("type") == "text" and not part.get("synthetic"):
                yield from (Text(clean(line)) for line in str(part.get("text")).splitlines())
            elif part.get("type") == "tool":
                state = _record(part.get("state"))
                told = clean(str(state.get("title") or part.get("tool")))
                yield Text(f"  {clean(str(part.get('tool')))}: {told} ({clean(str(state.get('status')))})", "dim")


def _clock(at: Any) -> str:
    time = local_time(at) if isinstance(at, (int, float)) else None
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
    """The patch; OpenCode up to 1.2 tells the file as it was and as it is instead."""
    if isinstance(file.get("patch"), str):
        lines = str(file["patch"]).splitlines()
        return [line for line in lines if not line.startswith(("Index: ", "=====", "--- ", "+++ "))]
    before, after = (str(file.get(name) or "").splitlines() for name in ("before", "after"))
    return list(unified_diff(before, after, lineterm="", n=3))[2:]


READERS = {
    "messages": _reader("messages", "This session has no messages", _messages),
    "todos": _reader("todos", "This session has no todos", _todos),
    "diff": _reader("diff", "No changed files to show", _diff),
}
