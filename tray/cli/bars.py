"""What a status bar shows: the report in the bar's own format. Titles and commands are text, never format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from tray.core.model import Status
from tray.core.text import clean, shorten
from tray.surfaces.rows import MARKS

COLOURS = {
    Status.WAITING_FOR_PERMISSION: "#e5c07b",
    Status.WAITING_FOR_ANSWER: "#e5c07b",
    Status.ERROR: "#e06c75",
    Status.RETRY: "#c678dd",
    Status.BUSY: "#61afef",
    Status.COMPLETED: "#98c379",
    Status.DISCONNECTED: "#808080",
}
ROWS = 20  # sessions in a tooltip or a menu
NOT_RUNNING = "OpenCode Tray is not running"


def _text(report: Mapping[str, Any]) -> tuple[Status, str]:
    attention = report["attention"]
    status = Status(attention["state"])
    return status, f"{MARKS[status]} {attention['waiting']}" if attention["waiting"] else MARKS[status]


def _rows(report: Mapping[str, Any]) -> list[tuple[Status, str, str]]:
    """Status, words and id of the root sessions, the worst first."""
    roots = [session for session in report["sessions"] if session["parent"] is None]
    return [(Status(one["status"]), shorten(one["title"] or one["id"], 50), str(one["id"])) for one in roots[:ROWS]]


def waybar(report: Mapping[str, Any] | None) -> str:
    """A line of JSON; the tooltip is Pango markup, so it is escaped. `class` is the worst state."""
    if report is None:
        return json.dumps({"text": "", "tooltip": NOT_RUNNING, "class": "stopped"})
    status, text = _text(report)
    lines = [report["attention"]["tooltip"], *(f"{MARKS[state]} {words}" for state, words, _ in _rows(report))]
    told = {"text": text, "alt": status.value, "class": status.value, "tooltip": escape("\n".join(lines), quote=False)}
    return json.dumps(told, ensure_ascii=False)


def polybar(report: Mapping[str, Any] | None) -> str:
    """One coloured line; `%` begins a format tag and is doubled."""
    if report is None:
        return "%{F#808080}⊘%{F-}"
    status, text = _text(report)
    return f"%{{F{COLOURS.get(status, '-')}}}{text.replace('%', '%%')}%{{F-}}"


def swiftbar(report: Mapping[str, Any] | None) -> str:
    """A title, and a menu whose rows go to their sessions; `|` begins the parameters of a line."""
    if report is None:
        return f"⊘\n---\n{NOT_RUNNING}"
    status, text = _text(report)
    lines = [f"{text} | color={COLOURS[status]}" if status in COLOURS else text, "---", report["attention"]["tooltip"]]
    lines.append("Go to next | bash=opencode-tray param1=next terminal=false")
    for state, words, name in _rows(report):
        shown = clean(f"{MARKS[state]} {words}").replace("|", "¦")
        plain = re.fullmatch(r"[A-Za-z0-9_-]+", name)
        lines.append(f"{shown} | bash=opencode-tray param1=attach param2={name} terminal=false" if plain else shown)
    return "\n".join(lines)


FORMATS: Mapping[str, Callable[[Mapping[str, Any] | None], str]] = {
    "waybar": waybar,
    "polybar": polybar,
    "swiftbar": swiftbar,
}
