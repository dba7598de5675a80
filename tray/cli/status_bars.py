"""What a status bar shows: the sums in the bar's own format. Titles and commands are text, never format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from tray.core.text import clean

COLOURS = {  # of a state, as `status --json` names it
    "waiting_for_permission": "#e5c07b",
    "waiting_for_answer": "#e5c07b",
    "error": "#e06c75",
    "retry": "#c678dd",
    "busy": "#61afef",
    "completed": "#98c379",
    "disconnected": "#808080",
}
NOT_RUNNING = "OpenCode Tray is not running"
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def _text(sums: Mapping[str, Any]) -> tuple[str, str]:
    """The worst state, and the mark of it with how many wait."""
    waiting = sums["attention"]["waiting"]
    return sums["attention"]["state"], f"{sums['mark']} {waiting}" if waiting else sums["mark"]


def _named(session: Mapping[str, Any]) -> str:
    return f"{session['project']} · {session['title']}" if session["project"] else str(session["title"])


def waybar(sums: Mapping[str, Any] | None) -> str:
    """A line of JSON; the tooltip is Pango markup, so it is escaped. `class` is the worst state."""
    if sums is None:
        return json.dumps({"text": "", "tooltip": NOT_RUNNING, "class": "stopped"})
    state, text = _text(sums)
    lines = [sums["attention"]["tooltip"], *(f"{session['mark']} {_named(session)}" for session in sums["sessions"])]
    told = {"text": text, "alt": state, "class": state, "tooltip": escape("\n".join(lines), quote=False)}
    return json.dumps(told, ensure_ascii=False)


def polybar(sums: Mapping[str, Any] | None) -> str:
    """One coloured line; `%` begins a format tag and is doubled."""
    if sums is None:
        return "%{F#808080}⊘%{F-}"
    state, text = _text(sums)
    return f"%{{F{COLOURS.get(state, '-')}}}{text.replace('%', '%%')}%{{F-}}"


def swiftbar(sums: Mapping[str, Any] | None) -> str:
    """A title, and a menu whose rows go to their sessions; `|` begins the parameters of a line."""
    if sums is None:
        return f"⊘\n---\n{NOT_RUNNING}"
    state, text = _text(sums)
    lines = [f"{text} | color={COLOURS[state]}" if state in COLOURS else text, "---", sums["attention"]["tooltip"]]
    if sums["next"] is not None:
        told = _row(f"Go to next: {_named(sums['next'])}")
        lines.append(f"{told} | bash=opencode-tray param1=next terminal=false")
    for session in sums["sessions"]:
        shown, name = _row(f"{session['mark']} {_named(session)}"), session["id"]
        plain = _PLAIN.fullmatch(name)
        lines.append(f"{shown} | bash=opencode-tray param1=attach param2={name} terminal=false" if plain else shown)
    return "\n".join(lines)


def _row(text: str) -> str:
    return clean(text).replace("|", "¦")


FORMATS: Mapping[str, Callable[[Mapping[str, Any] | None], str]] = {
    "waybar": waybar,
    "polybar": polybar,
    "swiftbar": swiftbar,
}
