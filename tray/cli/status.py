"""`status` prints the sessions of the running tray; `stop` stops it."""

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
STYLES = {  # terminal style (ECMA-48 SGR) of a session, by its status
    "waiting_for_permission": "1;33",
    "waiting_for_answer": "1;33",
    "error": "1;31",
    "retry": "35",
    "busy": "34",
    "completed": "32",
    "disconnected": "90",
}


def status(options: argparse.Namespace) -> int:
    """Print the sessions. For a status bar, a tray that is not running is not an error. Raises UserError."""
    if options.bar:
        print(_bar_text(options))
        return OK
    if options.json:
        print(json.dumps(call_tray(options.port, "status"), ensure_ascii=False))
        return OK
    overview = call_tray(options.port, "overview")
    is_terminal = sys.stdout.isatty()
    columns = shutil.get_terminal_size().columns if is_terminal else None
    print(describe(overview, columns, coloured=is_terminal and _shows_colours()))
    return OK


def _shows_colours() -> bool:
    """Return whether the terminal shows colours and the user wants them (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.platform != "win32" or "WT_SESSION" in os.environ  # the older console of Windows prints the codes


def _bar_text(options: argparse.Namespace) -> str:
    from tray.cli.status_bars import FORMATS

    try:
        return FORMATS[options.bar](call_tray(options.port, "summary"))
    except NotRunningError:
        return FORMATS[options.bar](None)


def stop(options: argparse.Namespace) -> int:
    """Stop the running tray. Raises UserError."""
    call_tray(options.port, "quit")
    print("Stopping the tray. Agents keep running.")
    return OK


def describe(overview: Mapping[str, Any], columns: int | None = None, *, coloured: bool = False) -> str:
    """Return the overview as a table; under a session are its pending requests with their IDs.

    `columns` is the width of the terminal; None: cut nothing.
    """
    rows = overview["rows"]
    widths = _widths(rows, columns)
    exposed = f"⚠ {overview['exposed']} · " if overview["exposed"] else ""
    lines = [exposed + overview["tooltip"] + (" · notifications are muted" if overview["muted"] else "")]
    for row in rows:
        cells = [_padded(row[name], widths[name]) for name in COLUMNS if widths[name]]
        line = f"{row['symbol']} {'  '.join(cells)}".rstrip()
        style = STYLES.get(row["status"]) if coloured else None
        lines.append(f"\x1b[{style}m{line}\x1b[0m" if style else line)
        for request in row["requests"]:
            head = f"    {request['id']}  "
            text = request["text"] if columns is None else shorten(request["text"], max(10, columns - len(head)))
            lines.append(head + text)
    return "\n".join(lines)


def _widths(rows: Sequence[Mapping[str, Any]], columns: int | None) -> dict[str, int]:
    """Return the width of each column; 0: it is left out because the terminal is too narrow."""
    widths = {name: max((width(row[name]) for row in rows), default=0) for name in COLUMNS}
    if columns is None:
        return widths
    widths["project"] = min(widths["project"], 16) if columns >= 60 else 0
    widths["reason"] = widths["reason"] if columns >= 50 else 0
    taken = sum(widths[name] + 2 for name in ("project", "age", "id") if widths[name])
    room = max(0, columns - 2 - taken)  # for the title, the reason and two spaces between them
    widths["reason"] = min(widths["reason"], max(room // 3, room - 2 - widths["title"]))
    widths["title"] = min(widths["title"], max(1, room - (widths["reason"] + 2 if widths["reason"] else 0)))
    return widths


def _padded(text: str, columns: int) -> str:
    fitting = text if width(text) <= columns else shorten(text, columns)
    return fitting + " " * (columns - width(fitting))
