"""What the page shows, as entries with a key each, so that a change sends only the entries that differ.

`summary`       the tray's state, tooltip, problems and version, and whether everything is muted
`order`         the IDs of the root sessions in the order of the menu
`session:ID`    a root session with its requests and its subagent sessions (`children`, in depth-first order)

Texts, marks and order come from the code that the menu uses. Times are ms since the Unix epoch; the browser turns them
into ages.
"""

from __future__ import annotations

from typing import Any

from tray import __version__
from tray.core.answers import is_readable, may_be_always, read_only_reason
from tray.core.fleet import Fleet
from tray.core.request_digest import asked, digest
from tray.core.servers import Server
from tray.core.session_index import EVERYTHING, SessionIndex, SessionRow
from tray.core.sessions import Request, Session, SessionKey, Status
from tray.core.summary import summarize
from tray.core.text import clean, shorten
from tray.surfaces.section_rows import COLLAPSED, EXPANDED, NEEDS_YOU, section_rows
from tray.surfaces.session_text import STATUS_NAMES, context_percent, reason, title

MAX_TITLE = 200  # columns
MAX_TEXT = 300


def summary_entry(fleet: Fleet, index: SessionIndex, problems: tuple[str, ...], exposed: str = "") -> dict[str, Any]:
    """Return the entry `summary`; `problems` are the tray's own. `exposed` is shown first, on every page."""
    summary = summarize(index)
    return {
        "state": summary.status.value,
        "waiting": summary.waiting,
        "tooltip": f"⚠ {exposed} · {summary.tooltip}" if exposed else summary.tooltip,
        "muted": EVERYTHING in fleet.mutes,
        "problems": [shorten(problem, MAX_TEXT) for problem in problems],
        "version": __version__,
    }


def order_entry(index: SessionIndex) -> list[str]:
    """Return the entry `order`."""
    sections = (NEEDS_YOU, *EXPANDED, *COLLAPSED)
    return [row.session.id for section in sections for row in section_rows(index, section)]


def session_entry(fleet: Fleet, index: SessionIndex, row: SessionRow, at: int) -> dict[str, Any]:
    """Return the entry of a root session at the time `at`."""
    session, server = row.session, row.server
    tree = fleet.tree(row.key)
    status = STATUS_NAMES[row.status]
    activity = "" if row.status.needs_user else reason(row, at)
    return {
        "id": session.id,
        "agent_kind": server.agent_kind.title,
        "project": shorten(index.project(row), MAX_TITLE),
        "branch": shorten(server.branch, MAX_TITLE),
        "host": shorten(server.host, MAX_TITLE),
        "title": shorten(title(session), MAX_TITLE),
        "status": row.status.value,
        "status_name": status,
        "since": row.since,
        "activity": shorten(activity or _last_output(session, row.status), MAX_TEXT),
        "model": shorten(" · ".join(part for part in (session.agent, session.model) if part), MAX_TITLE),
        "context": context_percent(fleet, session),
        "tokens": row.tokens.total,
        "cost": round(row.cost, 4),
        "todos": [sum(todo.status in ("completed", "cancelled") for todo in session.todos), len(session.todos)],
        "files": [session.files, session.additions, session.deletions],
        "muted": row.muted,
        "read_only": clean(server.read_only_reason),
        "messages": session.messages,
        "children": [_child(fleet, row, child) for child in tree[1:]],
        "requests": [_request(fleet, row, request) for request in row.waiting],
    }


def _last_output(session: Session, status: Status) -> str:
    """Return the agent's last line while it says more than the state does."""
    return session.last_output if status in (Status.BUSY, Status.COMPLETED) else ""


def _child(fleet: Fleet, row: SessionRow, session: Session) -> dict[str, Any]:
    status = session.status if row.server.live else Status.DISCONNECTED
    path = fleet.path(session.key)
    return {
        "id": session.id,
        "depth": path.index(row.key) if row.key in path else len(path),
        "title": shorten(title(session), MAX_TITLE),
        "agent": shorten(session.agent, MAX_TITLE),
        "status": status.value,
        "status_name": STATUS_NAMES[status],
        "since": session.status_since,
        "activity": shorten(session.tool or _last_output(session, status), MAX_TEXT),
        "cost": round(session.cost, 4),
    }


def _request(fleet: Fleet, row: SessionRow, request: Request) -> dict[str, Any]:
    server: Server = row.server
    asker = fleet.sessions.get(SessionKey(server.id, request.session))
    is_child = asker is not None and asker.key != row.key
    return {
        **asked(server.id, request),
        "seen": digest(server.id, request),
        "asked_at": request.asked_at,
        "sending": request.sending,
        "refusal": clean(request.refusal),
        "read_only": clean(read_only_reason(server, request)),
        "readable": is_readable(request),
        "may_be_always": may_be_always(request),
        "takes_message": server.takes_rejection_messages,
        "unreliable": server.ignores_answers,
        "subagent": shorten(title(asker), MAX_TITLE) if asker is not None and is_child else "",
    }
