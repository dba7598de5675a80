"""Who needs a person: one row for each root session, kept in step with the fleet, and the sums over all rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tray.core.events import Change, MutesChanged, ServerChanged, SessionChanged, SessionRemoved
from tray.core.fleet import Fleet
from tray.core.model import Activity, Request, Server, Session, SessionKey, Status, Tokens


@dataclass(frozen=True, slots=True)
class Row:
    """A root session with what its descendants add to it."""

    session: Session
    server: Server
    status: Status
    since: int  # when this status began
    requests: tuple[Request, ...]  # its own and its descendants', oldest first
    tokens: Tokens
    cost: float
    tool: str
    muted: bool  # by its own or its project's mute; the mute of everything is not a row's matter

    @property
    def key(self) -> SessionKey:
        """The root session's identity."""
        return self.session.key


@dataclass(frozen=True, slots=True)
class Attention:
    """The sums that the icon and the tooltip show. Muted sessions count in `muted` alone."""

    status: Status
    waiting: int = 0
    errors: int = 0
    busy: int = 0
    completed: int = 0
    idle: int = 0
    disconnected: int = 0
    muted: int = 0

    @property
    def tooltip(self) -> str:
        """One line, worst first: "2 need you · 3 working · 5 idle"."""
        parts = (
            (self.waiting, "needs you" if self.waiting == 1 else "need you"),
            (self.errors, "failed"),
            (self.busy, "working"),
            (self.completed, "finished"),
            (self.idle, "idle"),
            (self.disconnected, "disconnected"),
        )
        told = " · ".join(f"{count} {words}" for count, words in parts if count)
        return told or ("All muted" if self.muted else "No sessions")


def session_scope(session_id: str) -> str:
    """The mute scope of one session."""
    return f"session:{session_id}"


def project_scope(directory: str) -> str:
    """The mute scope of one project directory."""
    return f"project:{directory}"


EVERYTHING = ""  # the mute scope of all sessions


class Board:
    """The rows, recomputed only where a change touched them. Derived from the fleet: holds no truth of its own."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._rows: dict[SessionKey, Row] = {}
        self._same: dict[str, set[SessionKey]] = {}  # session id -> its rows on several servers

    def update(self, changes: Iterable[Change]) -> frozenset[str]:
        """Bring the rows in step with the fleet. Returns the ids of the root sessions whose row may differ."""
        stale: set[SessionKey] = set()
        for change in changes:
            match change:
                case SessionChanged(_, after):
                    stale.add(after.key)
                    stale.add(self._fleet.root_of(after.key))
                    if change.before is None or change.before.parent != after.parent:
                        stale.update(self._fleet.children(after.key))
                case SessionRemoved(before):
                    stale.add(before.key)
                    stale.update(self._fleet.children(before.key))
                    if before.parent is not None:
                        stale.add(self._fleet.root_of(SessionKey(before.server, before.parent)))
                case ServerChanged(server_id, _):
                    stale.update(key for key in self._rows if key.server == server_id)
                case MutesChanged():
                    stale.update(self._rows)
        for key in stale:
            self._recompute(key)
        return frozenset(key.session for key in stale)

    def row(self, session_id: str) -> Row | None:
        """The row of a root session, from the server that knows it best."""
        rows = [self._rows[key] for key in self._same.get(session_id, ())]
        return min(rows, key=_trust) if rows else None

    def rows(self) -> list[Row]:
        """One row for each root session, in no order; a session that two servers report is one row."""
        single = [self._rows[next(iter(keys))] for keys in self._same.values() if len(keys) == 1]
        several = [self.row(session_id) for session_id, keys in self._same.items() if len(keys) > 1]
        return single + [row for row in several if row is not None]

    def _recompute(self, key: SessionKey) -> None:
        session = self._fleet.sessions.get(key)
        server = self._fleet.servers.get(key.server)
        if session is None or server is None or self._fleet.root_of(key) != key:
            if self._rows.pop(key, None) is not None:
                self._same[key.session].discard(key)
                if not self._same[key.session]:
                    del self._same[key.session]
            return
        self._rows[key] = _row(self._fleet, session, server)
        self._same.setdefault(key.session, set()).add(key)


def _trust(row: Row) -> tuple[bool, int, bool, int]:
    """Sort key: connected first, then the worst state, then the session's own directory, then the newest."""
    elsewhere = row.server.directory != row.session.directory
    return not row.server.live, row.status.urgency, elsewhere, -row.session.updated


def _row(fleet: Fleet, session: Session, server: Server) -> Row:
    tree = fleet.tree(session.key)
    requests = tuple(sorted((r for s in tree for r in s.requests), key=lambda r: r.asked_at))
    status = _status(session, tree) if server.live else Status.DISCONNECTED
    if status is Status.DISCONNECTED:
        since = server.lost_at or session.status_since
    elif status.needs_person:
        since = min(request.asked_at for request in requests)
    elif session.turn_ended and status in (Status.ERROR, Status.COMPLETED):
        since = session.turn_ended
    else:
        since = min((s.status_since for s in tree if s.status is status), default=session.status_since)
    scopes = (session_scope(session.id), project_scope(session.directory or server.directory))
    return Row(
        session=session,
        server=server,
        status=status,
        since=since,
        requests=requests,
        tokens=sum((s.tokens for s in tree), Tokens()),
        cost=sum(s.cost for s in tree),
        tool=next((s.tool for s in tree if s.tool), ""),
        muted=any(scope in fleet.mutes for scope in scopes),
    )


def _status(root: Session, tree: list[Session]) -> Status:
    """The worst of the root's own status and of what its descendants hold up: their requests, retries and work.

    A subagent's error or end is its parent's to deal with; the root's own status tells what came of it.
    """
    below = [s.status for s in tree[1:] if s.requests or s.activity is not Activity.IDLE]
    return min((root.status, *below), key=lambda status: status.urgency)


def attention(rows: Iterable[Row]) -> Attention:
    """Sum the rows up: the worst status of those not muted, and how many there are of each kind."""
    worst = Status.DISCONNECTED
    waiting = errors = busy = completed = idle = disconnected = muted = 0
    for row in rows:
        if row.muted:
            muted += 1
            continue
        status = row.status
        if status.urgency < worst.urgency:
            worst = status
        if status.needs_person:
            waiting += 1
        elif status is Status.ERROR:
            errors += 1
        elif status in (Status.BUSY, Status.RETRY):
            busy += 1
        elif status is Status.COMPLETED:
            completed += 1
        elif status is Status.DISCONNECTED:
            disconnected += 1
        else:
            idle += 1
    if worst is Status.ABORTED or (worst is Status.DISCONNECTED and not disconnected):
        worst = Status.IDLE
    return Attention(worst, waiting, errors, busy, completed, idle, disconnected, muted)


def next_in_line(rows: Iterable[Row]) -> Row | None:
    """Who is next: the longest-waiting root that needs a person, then errors, then finished turns. None: nobody."""
    candidates = [row for row in rows if not row.muted and row.status in _LINE]
    return min(candidates, key=lambda row: (_LINE[row.status], row.since), default=None)


_LINE = {
    Status.WAITING_FOR_PERMISSION: 0,
    Status.WAITING_FOR_ANSWER: 0,
    Status.ERROR: 1,
    Status.COMPLETED: 2,
}
