"""The frames that `watch.summary` and `watch.rows` send: first everything, then the changes.

A row has the keys of a session in `status --json` where they have the same name, and also root (ID), symbol, urgency
(0 is the most urgent) and activity (what the session does, as text); its tokens are the total.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex, SessionRow
from tray.core.sessions import Session, Status
from tray.core.summary import summarize
from tray.core.text import shorten
from tray.surfaces.control.status_report import summary_report
from tray.surfaces.session_text import MARKS, STATUS_NAMES, context_percent, request_text, title

MAX_WIDTH = 160  # columns of a text


class Watcher(Protocol):
    """Creates the frames for one client, and remembers what it has sent."""

    def changed(self, session_ids: Iterable[str]) -> None:
        """Note that the rows of these root sessions may have changed."""

    def frame(self) -> dict[str, Any] | None:
        """Return the frame to send now; None: nothing changed."""


class SummaryWatcher:
    """Sends the whole summary for a status bar whenever it has changed."""

    def __init__(self, index: SessionIndex) -> None:
        self._index = index
        self._sent: dict[str, Any] = {}

    def changed(self, session_ids: Iterable[str]) -> None:
        """See Watcher."""

    def frame(self) -> dict[str, Any] | None:
        """See Watcher."""
        summary = summary_report(self._index)
        if summary == self._sent:
            return None
        self._sent = summary
        return {"type": "summary", "summary": summary}


class RowsWatcher:
    """Sends the rows of a table of all sessions that have changed, and the `[root, id]` of those that were removed."""

    def __init__(self, fleet: Fleet, index: SessionIndex) -> None:
        self._fleet = fleet
        self._index = index
        self._stale = {row.session.id for row in index.rows()}
        self._sent: dict[str, dict[str, int]] = {}  # root ID -> session ID -> hash of its row
        self._tooltip: str | None = None

    def changed(self, session_ids: Iterable[str]) -> None:
        """See Watcher."""
        self._stale.update(session_ids)

    def frame(self) -> dict[str, Any] | None:
        """See Watcher."""
        rows: list[msgspec.Raw] = []
        removed: list[tuple[str, str]] = []
        for root in self._stale:
            before = self._sent.pop(root, {})
            row = self._index.row(root)
            after = self._tree(row) if row is not None else {}
            hashes = {id_: hash(encoded) for id_, encoded in after.items()}
            rows += [msgspec.Raw(encoded) for id_, encoded in after.items() if hashes[id_] != before.get(id_)]
            removed += [(root, id_) for id_ in before if id_ not in after]
            if hashes:
                self._sent[root] = hashes
        self._stale.clear()
        tooltip = summarize(self._index).tooltip
        if not rows and not removed and tooltip == self._tooltip:
            return None
        self._tooltip = tooltip
        return {"type": "rows", "tooltip": tooltip, "rows": rows, "removed": removed}

    def _tree(self, row: SessionRow) -> dict[str, bytes]:
        """Return the encoded rows of a root session and its descendants by session ID."""
        encoded = {}
        for session in self._fleet.tree(row.key):
            is_root = session.key == row.key
            status = row.status if is_root else session.status if row.server.live else Status.DISCONNECTED
            since = row.since if is_root else session.status_since
            project = self._index.project(row)
            encoded[session.id] = msgspec.json.encode(_row(self._fleet, row, project, session, status, since))
        return encoded


def _row(fleet: Fleet, row: SessionRow, project: str, session: Session, status: Status, since: int) -> dict[str, Any]:
    return {
        "id": session.id,
        "root": row.session.id,
        "parent": session.parent,
        "status": status.value,
        "symbol": MARKS[status],
        "urgency": status.urgency,
        "title": shorten(title(session), MAX_WIDTH),
        "project": project,
        "agent": shorten(session.agent, MAX_WIDTH),
        "activity": shorten(_activity(session, row, status), MAX_WIDTH),
        "context_percent": context_percent(fleet, session),
        "tokens": session.tokens.total,
        "cost": round(session.cost, 2),
        "status_since": since,
    }


def _activity(session: Session, row: SessionRow, status: Status) -> str:
    requests = row.requests if session.key == row.key else session.requests
    if requests and status.needs_user:
        return request_text(requests[0])
    if status is Status.ERROR and session.failure is not None:
        return session.failure.message or session.failure.name
    return session.tool or session.last_output or STATUS_NAMES[status]
