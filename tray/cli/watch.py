"""`watch`: show a live table of all sessions in the terminal, or print a line for a status bar at each change."""

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
    from rich.text import Text  # not needed for a status bar

RETRY_INTERVAL = 5.0  # s between two attempts to connect, for a status bar
REFRESH_INTERVAL = 20.0  # s after which the ages are updated even if nothing changed
STYLES = {  # of a session, by its status
    "waiting_for_permission": "bold yellow",
    "waiting_for_answer": "bold yellow",
    "error": "bold red",
    "retry": "magenta",
    "busy": "blue",
    "completed": "green",
    "disconnected": "bright_black",
}
OTHER_LINES = 4  # of the terminal: title, headings, caption, cursor
COLUMNS = (  # heading, and the minimum width of the terminal that shows it
    ("", 0),
    ("Session", 0),
    ("Project", 70),
    ("Agent", 110),
    ("Activity", 50),
    ("Context", 90),
    ("Tokens", 120),
    ("Cost", 110),
    ("Since", 0),
)
RATIOS = {"Session": 4, "Activity": 4, "Project": 2}  # in which they share the rest of the width


def watch(options: argparse.Namespace) -> int:
    """Show the table until Ctrl-C or until the tray stops; for a status bar, reconnect forever. Raises UserError."""
    if options.bar:
        _print_for_bar(options.port, options.bar)
    else:
        _show_table(options.port)
    return OK


# ---------------------------------------------------------------------- for a status bar


def _print_for_bar(port: int | None, bar: str) -> None:
    from tray.cli.status_bars import FORMATS

    formatted = FORMATS[bar]
    while True:
        try:
            with connected(port) as client:
                for frame in client.watch("summary"):
                    _print(formatted(frame["summary"]), bar)
        except NotRunningError:
            _print(formatted(None), bar)
        time.sleep(RETRY_INTERVAL)


def _print(text: str, bar: str) -> None:
    if bar == "swiftbar":
        print("~~~")  # separates the outputs of a streaming plugin
    print(text, flush=True)


# ---------------------------------------------------------------------- in the terminal


class Rows:
    """All sessions, kept up to date by the frames of `watch.rows`."""

    def __init__(self) -> None:
        self.tooltip = ""
        self.sessions: tuple[dict[str, Any], ...] = ()  # the most urgent root first, each followed by its descendants
        self._trees: dict[str, dict[str, dict[str, Any]]] = {}  # root ID -> session ID -> row

    def apply(self, frame: Mapping[str, Any]) -> None:
        """Apply the changes of a frame."""
        self.tooltip = frame["tooltip"]
        for root, session_id in frame["removed"]:
            self._trees.get(root, {}).pop(session_id, None)
        for row in frame["rows"]:
            self._trees.setdefault(row["root"], {})[row["id"]] = row
        self._trees = {root: tree for root, tree in self._trees.items() if root in tree}
        roots = [tree[root] for root, tree in self._trees.items()]
        roots.sort(key=lambda row: (row["urgency"], row["status_since"]))
        self.sessions = tuple(row for root in roots for row in _in_order(root, self._trees[root["id"]]))


def _in_order(root: dict[str, Any], tree: Mapping[str, dict[str, Any]]) -> Iterable[dict[str, Any]]:
    yield root
    yield from (tree[session_id] for session_id in sorted(tree) if session_id != root["id"])


def _show_table(port: int | None) -> None:
    from rich.console import Console
    from rich.live import Live

    console, rows = Console(), Rows()

    def current_table() -> Table:
        return table(rows.tooltip, rows.sessions, time.time_ns() // 1_000_000, console.width, console.height)

    with (
        connected(port) as client,
        Live(
            console=console,
            get_renderable=current_table,
            refresh_per_second=1 / REFRESH_INTERVAL,
            screen=sys.stdout.isatty(),
        ) as live,
    ):
        for frame in client.watch("rows"):
            rows.apply(frame)
            live.refresh()


def table(tooltip: str, sessions: tuple[dict[str, Any], ...], at: int, columns: int, lines: int) -> Table:
    """Return the sessions as a table for a terminal of this size. A narrow one gets fewer columns. `at`: now, in ms."""
    from rich.table import Table
    from rich.text import Text

    made = Table(title=Text(tooltip), title_style="bold", expand=True, box=None, pad_edge=False)
    headings = [heading for heading, least in COLUMNS if columns >= least]
    for heading in headings:
        right = heading in ("Context", "Tokens", "Cost")
        width = {"": 1, "Since": 5}.get(heading)
        ratio = RATIOS.get(heading)
        made.add_column(
            heading, no_wrap=True, justify="right" if right else "left", min_width=width, width=width, ratio=ratio
        )
    room = max(1, lines - OTHER_LINES)
    for session in sessions[:room]:
        cells = _cells(session, at)
        made.add_row(*(cells[heading] for heading in headings))
    if len(sessions) > room:
        made.caption = f"… and {len(sessions) - room} more"
    return made


def _cells(session: Mapping[str, Any], at: int) -> dict[str, Text]:
    from rich.text import Text

    from tray.core.text import age, amount

    style = STYLES.get(session["status"], "")
    indent = "" if session["id"] == session["root"] else "  ↳ "
    return {
        "": Text(session["symbol"], style),
        "Session": Text(indent + session["title"], style),
        "Project": Text(session["project"]),
        "Agent": Text(session["agent"]),
        "Activity": Text(session["activity"]),
        "Context": _context(session["context_percent"]),
        "Tokens": Text(amount(session["tokens"])),
        "Cost": Text(f"${session['cost']:.2f}"),
        "Since": Text(age(at - session["status_since"])),
    }


def _context(percent: float | None) -> Text:
    """Return the used share of the context: green to 50 %, yellow to 80 %, red above (opencode-monitor's limits)."""
    from rich.text import Text

    if percent is None:
        return Text("")
    return Text(f"{percent:.0f} %", "green" if percent <= 50 else "yellow" if percent <= 80 else "red")
