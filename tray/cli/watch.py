"""`watch`: a live table of all sessions in the terminal."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tray.cli import OK
from tray.cli.bars import FORMATS
from tray.cli.client import NotRunningError, connected
from tray.core.model import Status
from tray.core.text import age, amount, clean, shorten
from tray.surfaces.rows import MARKS, WORDS

TRY_AGAIN = 5.0  # s between two looks whether a tray runs, for a bar
STYLES = {
    Status.WAITING_FOR_PERMISSION: "bold yellow",
    Status.WAITING_FOR_ANSWER: "bold yellow",
    Status.ERROR: "bold red",
    Status.RETRY: "magenta",
    Status.BUSY: "blue",
    Status.COMPLETED: "green",
    Status.DISCONNECTED: "bright_black",
}


def watch(options: argparse.Namespace) -> int:
    """Show the table until Ctrl-C, or until the tray stops; for a bar, a line for each change, for ever."""
    if options.bar:
        _follow(options.port, options.bar)
    else:
        _watch(options.port)
    return OK


def _follow(port: int | None, bar: str) -> None:
    told = FORMATS[bar]
    while True:
        try:
            with connected(port) as client:
                for report in client.watch():
                    _tell(told(report), bar)
        except NotRunningError:
            _tell(told(None), bar)
        time.sleep(TRY_AGAIN)


def _tell(text: str, bar: str) -> None:
    if bar == "swiftbar":
        print("~~~")  # begins the next state of a streaming plugin
    print(text, flush=True)


def _watch(port: int | None) -> None:
    with connected(port) as client, Live(console=Console(), auto_refresh=False, screen=sys.stdout.isatty()) as live:
        for report in client.watch():
            live.update(table(report, time.time_ns() // 1_000_000), refresh=True)


def table(report: dict[str, Any], at: int) -> Table:
    """The report as a table, the worst first; descendants are indented under their root."""
    shown = Table(title=report["attention"]["tooltip"], title_style="bold", expand=True, box=None)
    for name in ("", "Session", "Directory", "Agent", "Doing", "Context", "Tokens", "Cost", "Since"):
        shown.add_column(name, no_wrap=True, justify="right" if name in ("Context", "Tokens", "Cost") else "left")
    for session in report["sessions"]:
        status = Status(session["status"])
        style = STYLES.get(status, "")
        indent = "" if session["parent"] is None else "  ↳ "
        shown.add_row(
            Text(MARKS[status], style),
            Text(indent + (shorten(session["title"], 36) or clean(session["id"])), style),
            Text(shorten(session["directory"].rpartition("/")[2], 16)),
            Text(shorten(session["agent"], 10)),
            Text(shorten(_doing(session, status), 40)),
            _context(session["context_percent"]),
            Text(amount(sum(session["tokens"].values()))),
            Text(f"${session['cost']:.2f}"),
            Text(age(at - session["status_since"])),
        )
    return shown


def _doing(session: dict[str, Any], status: Status) -> str:
    if session["requests"]:
        return f"{session['requests'][0]['title']}: {session['requests'][0]['detail']}"
    if status is Status.ERROR:
        return session["error"] or "failed"
    return session["tool"] or session["last_output"] or WORDS[status]


def _context(percent: float | None) -> Text:
    """Green to 50 %, yellow to 80 %, red above (opencode-monitor's steps)."""
    if percent is None:
        return Text("")
    return Text(f"{percent:.0f} %", "green" if percent <= 50 else "yellow" if percent <= 80 else "red")
