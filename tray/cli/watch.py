"""`watch`: a live table of all sessions in the terminal, or a line for each change for a status bar."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tray.cli.client import NotRunningError, connected
from tray.cli.exit_codes import OK

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text  # a bar needs neither

TRY_AGAIN = 5.0  # s between two looks whether a tray runs, for a bar
AGES_EVERY = 20.0  # s after which ages are shown anew though nothing changed
STYLES = {  # of a state, as `status --json` names it
    "waiting_for_permission": "bold yellow",
    "waiting_for_answer": "bold yellow",
    "error": "bold red",
    "retry": "magenta",
    "busy": "blue",
    "completed": "green",
    "disconnected": "bright_black",
}
LINES_AROUND = 4  # of the terminal's lines: title, head, what is left out, cursor
COLUMNS = (  # heading, and the terminal's columns from which on it is there
    ("", 0),
    ("Session", 0),
    ("Project", 70),
    ("Agent", 110),
    ("Doing", 50),
    ("Context", 90),
    ("Tokens", 120),
    ("Cost", 110),
    ("Since", 0),
)
SHARES = {"Session": 4, "Doing": 4, "Project": 2}  # of the room that the others leave


def watch(options: argparse.Namespace) -> int:
    """Show the table until Ctrl-C, or until the tray stops; for a bar, a line for each change, for ever."""
    if options.bar:
        _follow(options.port, options.bar)
    else:
        _watch(options.port)
    return OK


# ---------------------------------------------------------------------- for a bar


def _follow(port: int | None, bar: str) -> None:
    from tray.cli.status_bars import FORMATS

    told = FORMATS[bar]
    while True:
        try:
            with connected(port) as client:
                for frame in client.watch("sums"):
                    _tell(told(frame["sums"]), bar)
        except NotRunningError:
            _tell(told(None), bar)
        time.sleep(TRY_AGAIN)


def _tell(text: str, bar: str) -> None:
    if bar == "swiftbar":
        print("~~~")  # begins the next state of a streaming plugin
    print(text, flush=True)


# ---------------------------------------------------------------------- in the terminal


class Rows:
    """All sessions, as the frames of `watch.rows` tell them."""

    def __init__(self) -> None:
        self.tooltip = ""
        self.sessions: tuple[dict[str, Any], ...] = ()  # the worst root first, each with its descendants after it
        self._known: dict[str, dict[str, dict[str, Any]]] = {}  # root's id -> id -> row

    def take(self, frame: Mapping[str, Any]) -> None:
        """Take in what differs."""
        self.tooltip = frame["tooltip"]
        for root, name in frame["gone"]:
            self._known.get(root, {}).pop(name, None)
        for row in frame["rows"]:
            self._known.setdefault(row["root"], {})[row["id"]] = row
        self._known = {root: tree for root, tree in self._known.items() if root in tree}
        roots = sorted((tree[root] for root, tree in self._known.items()), key=lambda row: (row["order"], row["since"]))
        self.sessions = tuple(row for root in roots for row in _in_order(root, self._known[root["id"]]))


def _in_order(root: dict[str, Any], tree: Mapping[str, dict[str, Any]]) -> Iterable[dict[str, Any]]:
    yield root
    yield from (tree[name] for name in sorted(tree) if name != root["id"])


def _watch(port: int | None) -> None:
    from rich.console import Console
    from rich.live import Live

    console, rows = Console(), Rows()

    def shown() -> Table:
        return table(rows.tooltip, rows.sessions, time.time_ns() // 1_000_000, console.width, console.height)

    with (
        connected(port) as client,
        Live(
            console=console,
            get_renderable=shown,
            refresh_per_second=1 / AGES_EVERY,
            screen=sys.stdout.isatty(),
        ) as live,
    ):
        for frame in client.watch("rows"):
            rows.take(frame)
            live.refresh()


def table(tooltip: str, sessions: tuple[dict[str, Any], ...], at: int, columns: int, lines: int) -> Table:
    """The sessions as a table as wide as the terminal. Mark and age are always there; the rest as there is room."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=Text(tooltip), title_style="bold", expand=True, box=None, pad_edge=False)
    headings = [heading for heading, least in COLUMNS if columns >= least]
    for heading in headings:
        right = heading in ("Context", "Tokens", "Cost")
        width = {"": 1, "Since": 5}.get(heading)
        share = SHARES.get(heading)
        shown.add_column(
            heading, no_wrap=True, justify="right" if right else "left", min_width=width, width=width, ratio=share
        )
    room = max(1, lines - LINES_AROUND)
    for session in sessions[:room]:
        cells = _cells(session, at)
        shown.add_row(*(cells[heading] for heading in headings))
    if len(sessions) > room:
        shown.caption = f"… and {len(sessions) - room} more"
    return shown


def _cells(session: Mapping[str, Any], at: int) -> dict[str, Text]:
    from rich.text import Text

    from tray.core.text import age, amount

    style = STYLES.get(session["status"], "")
    indent = "" if session["id"] == session["root"] else "  ↳ "
    return {
        "": Text(session["mark"], style),
        "Session": Text(indent + session["title"], style),
        "Project": Text(session["project"]),
        "Agent": Text(session["agent"]),
        "Doing": Text(session["doing"]),
        "Context": _context(session["context_percent"]),
        "Tokens": Text(amount(session["tokens"])),
        "Cost": Text(f"${session['cost']:.2f}"),
        "Since": Text(age(at - session["since"])),
    }


def _context(percent: float | None) -> Text:
    """Green to 50 %, yellow to 80 %, red above (opencode-monitor's steps)."""
    from rich.text import Text

    if percent is None:
        return Text("")
    return Text(f"{percent:.0f} %", "green" if percent <= 50 else "yellow" if percent <= 80 else "red")
