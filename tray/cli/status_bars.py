"""Format the summary for status bars. Titles and projects are escaped, so they cannot change the format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from tray.core.text import clean

COLOURS = {  # by status
    "waiting_for_permission": "#e5c07b",
    "waiting_for_answer": "#e5c07b",
    "error": "#e06c75",
    "retry": "#c678dd",
    "busy": "#61afef",
    "completed": "#98c379",
    "disconnected": "#808080",
}
NOT_RUNNING = "OpenCode Tray is not running"
_SAFE_ID = re.compile(r"[A-Za-z0-9_-]+")


def _state_and_text(summary: Mapping[str, Any]) -> tuple[str, str]:
    """Return the most urgent status, and its symbol with the number of waiting sessions."""
    waiting, symbol = summary["attention"]["waiting"], summary["symbol"]
    return summary["attention"]["state"], f"{symbol} {waiting}" if waiting else symbol


def _label(session: Mapping[str, Any]) -> str:
    return f"{session['project']} · {session['title']}" if session["project"] else str(session["title"])


def waybar(summary: Mapping[str, Any] | None) -> str:
    """Return a line of JSON. The tooltip is Pango markup, so it is escaped; `class` is the most urgent status."""
    if summary is None:
        return json.dumps({"text": "", "tooltip": NOT_RUNNING, "class": "stopped"})
    state, text = _state_and_text(summary)
    lines = [
        summary["attention"]["tooltip"],
        *(f"{session['symbol']} {_label(session)}" for session in summary["sessions"]),
    ]
    output = {"text": text, "alt": state, "class": state, "tooltip": escape("\n".join(lines), quote=False)}
    return json.dumps(output, ensure_ascii=False)


def polybar(summary: Mapping[str, Any] | None) -> str:
    """Return one coloured line. `%` starts a format tag and is doubled."""
    if summary is None:
        return "%{F#808080}⊘%{F-}"
    state, text = _state_and_text(summary)
    return f"%{{F{COLOURS.get(state, '-')}}}{text.replace('%', '%%')}%{{F-}}"


def swiftbar(summary: Mapping[str, Any] | None) -> str:
    """Return a title and a menu whose rows open sessions. `|` starts the parameters of a line."""
    if summary is None:
        return f"⊘\n---\n{NOT_RUNNING}"
    state, text = _state_and_text(summary)
    lines = [f"{text} | color={COLOURS[state]}" if state in COLOURS else text, "---", summary["attention"]["tooltip"]]
    if summary["next_session"] is not None:
        row = _row(f"Go to next: {_label(summary['next_session'])}")
        lines.append(f"{row} | bash=opencode-tray param1=next terminal=false")
    for session in summary["sessions"]:
        row, session_id = _row(f"{session['symbol']} {_label(session)}"), session["id"]
        action = f" | bash=opencode-tray param1=attach param2={session_id} terminal=false"
        lines.append(row + action if _SAFE_ID.fullmatch(session_id) else row)
    return "\n".join(lines)


def _row(text: str) -> str:
    return clean(text).replace("|", "¦")


FORMATS: Mapping[str, Callable[[Mapping[str, Any] | None], str]] = {
    "waybar": waybar,
    "polybar": polybar,
    "swiftbar": swiftbar,
}
