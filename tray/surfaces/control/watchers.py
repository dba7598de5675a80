"""What those who watch are sent: at first all that they show, then only what differs from what they were sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from tray.core.fleet import Fleet
from tray.core.model import Session, Status
from tray.core.session_index import SessionIndex, SessionRow
from tray.core.summary import summarize
from tray.core.text import shorten
from tray.surfaces.control.status_report import sums_report
from tray.surfaces.session_text import MARKS, STATUS_NAMES, context_percent, request_text, title

TEXT = 160  # columns of a title, and of what a session does


class Watcher(Protocol):
    """Remembers what one watcher was sent."""

    def changed(self, session_ids: Iterable[str]) -> None:
        """The rows of these root sessions may differ."""

    def frame(self) -> dict[str, Any] | None:
        """What has to be sent now; None: nothing differs."""


class SumsWatcher:
    """A status bar: the sums and the first few sessions, whole each time that they differ."""

    def __init__(self, index: SessionIndex) -> None:
        self._index = index
        self._sent: dict[str, Any] = {}

    def changed(self, session_ids: Iterable[str]) -> None:
        """See Watcher."""

    def frame(self) -> dict[str, Any] | None:
        """See Watcher."""
        sums = sums_report(self._index)
        if sums == self._sent:
            return None
        self._sent = sums
        return {"type": "sums", "sums": sums}


class RowsWatcher:
    """A table of all sessions: the rows that differ, and those that are gone, each as `[root, id]`."""

    def __init__(self, fleet: Fleet, index: SessionIndex) -> None:
        self._fleet = fleet
        self._index = index
        self._stale = {row.session.id for row in index.rows()}
        self._sent: dict[str, dict[str, int]] = {}  # root's id -> id of each session in its tree -> hash of its row
        self._tooltip: str | None = None

    def changed(self, session_ids: Iterable[str]) -> None:
        """See Watcher."""
        self._stale.update(session_ids)

    def frame(self) -> dict[str, Any] | None:
        """See Watcher."""
        rows: list[msgspec.Raw] = []
        gone: list[tuple[str, str]] = []
        for root in self._stale:
            before = self._sent.pop(root, {})
            row = self._index.row(root)
            after = self._tree(row) if row is not None else {}
            hashes = {name: hash(told) for name, told in after.items()}
            rows += [msgspec.Raw(told) for name, told in after.items() if hashes[name] != before.get(name)]
            gone += [(root, name) for name in before if name not in after]
            if hashes:
                self._sent[root] = hashes
        self._stale.clear()
        tooltip = summarize(self._index).tooltip
        if not rows and not gone and tooltip == self._tooltip:
            return None
        self._tooltip = tooltip
        return {"type": "rows", "tooltip": tooltip, "rows": rows, "gone": gone}

    def _tree(self, row: SessionRow) -> dict[str, bytes]:
        told = {}
        for session in self._fleet.tree(row.key):
            is_root = session.key == row.key
            status = row.status if is_root else session.status if row.server.live else Status.DISCONNECTED
            since = row.since if is_root else session.status_since
            project = self._index.project(row)
            told[session.id] = msgspec.json.encode(_row(self._fleet, row, project, session, status, since))
        return told


def _row(fleet: Fleet, row: SessionRow, project: str, session: Session, status: Status, since: int) -> dict[str, Any]:
    return {
        "id": session.id,
        "root": row.session.id,
        "parent": session.parent,
        "status": status.value,
        "mark": MARKS[status],
        "order": status.urgency,
        "title": shorten(title(session), TEXT),
        "project": project,
        "agent": shorten(session.agent, TEXT),
        "doing": shorten(_doing(session, row, status), TEXT),
        "context_percent": context_percent(fleet, session),
        "tokens": session.tokens.total,
        "cost": round(session.cost, 2),
        "since": since,
    }


def _doing(session: Session, row: SessionRow, status: Status) -> str:
    requests = row.requests if session.key == row.key else session.requests
    if requests and status.needs_person:
        return request_text(requests[0])
    if status is Status.ERROR and session.failure is not None:
        return session.failure.message or session.failure.name
    return session.tool or session.last_output or STATUS_NAMES[status]
