"""One line for each step of an event through the program, for the debug log. Never contains text of a session."""

from __future__ import annotations

from collections.abc import Iterable

from tray.core.alerts import CheckFocus, Effect, Notify, Withdraw
from tray.core.events import (
    Change,
    Event,
    MutesChanged,
    RequestAsked,
    ServerChanged,
    ServerConnected,
    SessionChanged,
    SessionRemoved,
    SessionReported,
    SessionsShared,
)
from tray.core.summary import Summary
from tray.core.text import clean

ID_FIELDS = ("server_id", "session_id", "request_id", "message_id")
MAX_ID = 64  # characters


def event_line(event: Event) -> str:
    """Return the kind of an event and the ids in it: `>> RequestAsked server=… session=… request=…`."""
    ids = {name.removesuffix("_id"): getattr(event, name, "") for name in ID_FIELDS}
    match event:
        case ServerConnected(server) | SessionsShared(server):
            ids["server"] = server.id
        case SessionReported(_, facts):
            ids["session"] = facts.id
        case RequestAsked(_, request):
            ids |= {"session": request.session, "request": request.id}
        case _:
            pass
    named = " ".join(f"{name}={_id(value)}" for name, value in ids.items() if value)
    return f">> {type(event).__name__} {named}".rstrip()


def change_lines(changes: Iterable[Change]) -> list[str]:
    """Return what an event changed: `   session ses_1: busy → completed`."""
    return [f"   {_change(change)}" for change in changes]


def effect_line(effect: Effect) -> str:
    """Return what the alerts decided: `<< notify ses_1 (permission)`."""
    match effect:
        case Notify(alert):
            return f"<< notify {_id(alert.session.session)} ({alert.reason.value})"
        case Withdraw(session_id):
            return f"<< withdraw {_id(session_id)}"
        case CheckFocus(session_id):
            return f"<< check focus {_id(session_id)}"


def view_line(summary: Summary, *, with_menu: bool) -> str:
    """Return what the tray shows: `<< view waiting_for_permission "1 needs you" (icon and menu)`."""
    parts = "icon and menu" if with_menu else "icon"
    return f'<< view {summary.status.value} "{summary.tooltip}" ({parts})'


def _change(change: Change) -> str:
    match change:
        case SessionChanged(None, after):
            return f"session {_id(after.id)}: new, {after.status.value}"
        case SessionChanged(before, after) if before is not None and before.status is not after.status:
            return f"session {_id(after.id)}: {before.status.value} → {after.status.value}"
        case SessionChanged(_, after):
            return f"session {_id(after.id)}: updated, {after.status.value}"
        case SessionRemoved(before):
            return f"session {_id(before.id)}: removed"
        case ServerChanged(server_id, None):
            return f"server {_id(server_id)}: removed"
        case ServerChanged(server_id, server):
            state = "disconnected" if server is None or not server.connected else "connected"
            return f"server {_id(server_id)}: {state}"
        case MutesChanged():
            return "mutes"


def _id(text: str) -> str:
    return clean(text[:MAX_ID])
