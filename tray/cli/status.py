"""`status` and `stop`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from tray.cli.client import NotRunningError, call_tray
from tray.cli.exit_codes import OK
from tray.core.text import shorten, width

COLUMNS = ("project", "title", "reason", "age", "id")
STYLES = {  # of a state, as `status --json` names it, for a terminal (ECMA-48 SGR)
    "waiting_for_permission": "1;33",
    "waiting_for_answer": "1;33",
    "error": "1;31",
    "retry": "35",
    "busy": "34",
    "completed": "32",
    "disconnected": "90",
}


def status(options: argparse.Namespace) -> int:
    """Print what the running tray knows. For a bar, that no tray runs is something to show, and no error."""
    if options.bar:
        print(_for_bar(options))
        return OK
    if options.json:
        print(json.dumps(call_tray(options.port, "status"), ensure_ascii=False))
        return OK
    told = call_tray(options.port, "overview")
    is_terminal = sys.stdout.isatty()
    columns = shutil.get_terminal_size().columns if is_terminal else None
    print(describe(told, columns, coloured=is_terminal and _takes_colours()))
    return OK


def _takes_colours() -> bool:
    """Whether the terminal takes them, and the person wants them (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.platform != "win32" or "WT_SESSION" in os.environ  # Windows' older console prints them as they are


def _for_bar(options: argparse.Namespace) -> str:
    from tray.cli.status_bars import FORMATS

    try:
        return FORMATS[options.bar](call_tray(options.port, "sums"))
    except NotRunningError:
        return FORMATS[options.bar](None)


def stop(options: argparse.Namespace) -> int:
    """Stop the running tray."""
    call_tray(options.port, "quit")
    print("The tray stops. Agents go on.")
    return OK


def describe(told: Mapping[str, Any], columns: int | None = None, *, coloured: bool = False) -> str:
    """The overview as a table, and under who waits what for, by the ids that commands take.

    `columns`: of the terminal; None: nothing is cut.
    """
    rows = told["rows"]
    widths = _widths(rows, columns)
    lines = [told["tooltip"] + (" · notifications are muted" if told["muted"] else "")]
    for row in rows:
        cells = [_padded(row[name], widths[name]) for name in COLUMNS if widths[name]]
        line = f"{row['mark']} {'  '.join(cells)}".rstrip()
        style = STYLES.get(row["status"]) if coloured else None
        lines.append(f"\x1b[{style}m{line}\x1b[0m" if style else line)
        for request in row["requests"]:
            head = f"    {request['id']}  "
            text = request["text"] if columns is None else shorten(request["text"], max(10, columns - len(head)))
            lines.append(head + text)
    return "\n".join(lines)


def _widths(rows: Sequence[Mapping[str, Any]], columns: int | None) -> dict[str, int]:
    """How wide each column is; 0: it is left out, for the terminal is too narrow."""
    widths = {name: max((width(row[name]) for row in rows), default=0) for name in COLUMNS}
    if columns is None:
        return widths
    widths["project"] = min(widths["project"], 16) if columns >= 60 else 0
    widths["reason"] = widths["reason"] if columns >= 50 else 0
    taken = sum(widths[name] + 2 for name in ("project", "age", "id") if widths[name])
    room = max(0, columns - 2 - taken)  # of title and reason, and of the two columns between them
    widths["reason"] = min(widths["reason"], max(room // 3, room - 2 - widths["title"]))
    widths["title"] = min(widths["title"], max(1, room - (widths["reason"] + 2 if widths["reason"] else 0)))
    return widths


def _padded(text: str, columns: int) -> str:
    shown = text if width(text) <= columns else shorten(text, columns)
    return shown + " " * (columns - width(shown))
