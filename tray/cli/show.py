"""`messages`, `todos` and `diff`: print the messages, the todo list and the file changes of a session."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from tray.cli.client import call_tray
from tray.cli.exit_codes import FAILED, OK
from tray.core.text import clean
from tray.surfaces.session_content import read_diff, read_messages, read_todos
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


def _messages(messages: Any) -> Iterable[Text]:
    for message in read_messages(messages):
        time = local_time(message.at) if message.at else None
        yield Text(f"── {message.author} {f'{time:%H:%M}' if time is not None else ''}".rstrip(), "bold")
        for part in message.parts:
            if isinstance(part, str):
                yield from (Text(clean(line)) for line in part.splitlines())
            else:
                yield Text(f"  {part.tool}: {part.title} ({part.status})", "dim")


def _todos(todos: Any) -> Iterable[Text]:
    for content, status in read_todos(todos):
        yield Text(f"{_MARKS.get(status, '○')} {content}")


def _diff(files: Any) -> Iterable[Text]:
    for file in read_diff(files):
        yield Text(f"{file.file}  +{file.additions} -{file.deletions}", "bold")
        for line in file.lines:
            yield Text(line, {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], ""))


_VIEWS = {
    "messages": _View(_messages, "This session has no messages"),
    "todos": _View(_todos, "This session has no todos"),
    "diff": _View(_diff, "This session has no file changes"),
}
