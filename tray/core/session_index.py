"""One row for each root session, kept in step with the fleet, and in order by state and age."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable
from itertools import islice

import msgspec
from msgspec.structs import replace

from tray.core.events import Change, MutesChanged, ServerChanged, SessionChanged, SessionRemoved
from tray.core.fleet import Fleet
from tray.core.model import Activity, Request, Server, Session, SessionKey, Status, Tokens
from tray.core.project_names import Folder, ProjectNames


class SessionRow(msgspec.Struct, frozen=True):
    """A root session with what its descendants add to it."""

    session: Session
    server: Server
    status: Status
    since: int  # when this status began
    requests: tuple[Request, ...]  # its own and its descendants', oldest first
    tokens: Tokens
    cost: float
    tool: str
    tool_since: int
    user_acted_at: int  # when the person last did something in it or its descendants
    last_activity_at: int  # the last sign of life of anything that works in it
    muted: bool  # by its own or its project's mute; the mute of everything is not a row's matter

    @property
    def key(self) -> SessionKey:
        """The root session's identity."""
        return self.session.key


def session_scope(session_id: str) -> str:
    """The mute scope of one session."""
    return f"session:{session_id}"


def project_scope(directory: str) -> str:
    """The mute scope of one project directory."""
    return f"project:{directory}"


def folder_of(row: SessionRow) -> Folder:
    """Where the session of a row runs."""
    server = row.server
    directory = row.session.directory or server.directory
    linked = bool(server.repository) and directory == server.directory
    return Folder(server.host, directory, server.repository if linked else "", server.branch if linked else "")


EVERYTHING = ""  # the mute scope of all sessions


class SessionIndex:
    """The rows, recomputed only where a change touched them. Derived from the fleet: holds no truth of its own.

    A session that two servers report is one row: the row of the server that knows it best.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._known: dict[str, dict[str, SessionRow]] = {}  # session id -> its row on each server
        self._rows: dict[str, SessionRow] = {}  # session id -> the row that is shown
        self._by_age: dict[Status, list[tuple[int, str]]] = {status: [] for status in Status}  # (since, session id)
        self._muted: Counter[Status] = Counter()
        self._names = ProjectNames()
        self._in_folder: dict[Folder, set[str]] = {}  # the ids of the root sessions that run there
        self._renamed: set[Folder] = set()  # whose names may have changed since the last update

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
                    stale.update(self._fleet.keys(server_id))  # those that have gone are told as SessionRemoved
                case MutesChanged():
                    stale.update(row.key for on in self._known.values() for row in on.values())
        for key in stale:
            self._recompute(key)
        renamed = {name for folder in self._renamed for name in self._in_folder.get(folder, ())}
        self._renamed.clear()
        return frozenset(key.session for key in stale) | renamed

    def row(self, session_id: str) -> SessionRow | None:
        """The row of a root session."""
        return self._rows.get(session_id)

    def project(self, row: SessionRow) -> str:
        """What the row's project is called, among those of all rows."""
        return self._names.name(folder_of(row))

    @property
    def total(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def rows(self) -> list[SessionRow]:
        """All rows, in no order."""
        return list(self._rows.values())

    def oldest(self, status: Status, count: int | None = None) -> list[SessionRow]:
        """The rows that have been in this state longest, the longest first; at most `count` of them."""
        return [self._rows[name] for _, name in islice(self._by_age[status], count)]

    def newest(self, status: Status, count: int) -> list[SessionRow]:
        """The rows that have been in this state for the shortest time, the newest first; at most `count` of them."""
        return [self._rows[name] for _, name in islice(reversed(self._by_age[status]), count)]

    def count(self, status: Status) -> int:
        """How many rows are in this state."""
        return len(self._by_age[status])

    def muted(self, status: Status) -> int:
        """How many of those are muted."""
        return self._muted[status]

    @property
    def muted_rows(self) -> int:
        """How many rows are muted, in whatever state."""
        return sum(self._muted.values())

    def _recompute(self, key: SessionKey) -> None:
        session = self._fleet.sessions.get(key)
        server = self._fleet.servers.get(key.server)
        known = self._known.setdefault(key.session, {})
        if session is None or server is None or self._fleet.root_of(key) != key or self._is_left_over(session):
            known.pop(key.server, None)
        else:
            known[key.server] = _row(self._fleet, session, server)
        if not known:
            del self._known[key.session]
        self._show(key.session, min(known.values(), key=_trust, default=None))

    def _is_left_over(self, session: Session) -> bool:
        """Whether this is a subagent whose parent is gone, or was never told, and that nobody has to know of."""
        return session.parent is not None and not any(map(_is_active, self._fleet.tree(session.key)))

    def _show(self, name: str, row: SessionRow | None) -> None:
        before = self._rows.pop(name, None)
        if before is not None:
            shelf = self._by_age[before.status]
            del shelf[bisect_left(shelf, (before.since, name))]
            self._muted[before.status] -= before.muted
        folder = folder_of(row) if row is not None else None
        folder_before = folder_of(before) if before is not None else None
        if folder != folder_before:
            self._move(name, folder_before, folder)
        if row is not None:
            self._rows[name] = row
            insort(self._by_age[row.status], (row.since, name))
            self._muted[row.status] += row.muted

    def _move(self, name: str, before: Folder | None, after: Folder | None) -> None:
        """Note where a root session runs."""
        if after is not None:
            self._renamed |= self._names.use(after)
            self._in_folder.setdefault(after, set()).add(name)
        if before is not None:
            self._renamed |= self._names.release(before)
            self._in_folder[before].discard(name)
            if not self._in_folder[before]:
                del self._in_folder[before]


def _trust(row: SessionRow) -> tuple[bool, bool, int, int, bool, int]:
    """Sort key: who is trusted, who is connected, the worst state, the best source, its own directory, the newest.

    The state comes before the source: a plugin tells nothing of a turn that another process of OpenCode runs.
    """
    server, session = row.server, row.session
    elsewhere = server.directory != session.directory
    return not server.verified, not server.live, row.status.urgency, server.source.rank, elsewhere, -session.touched


def _row(fleet: Fleet, session: Session, server: Server) -> SessionRow:
    tree = fleet.tree(session.key)
    requests = tuple(sorted((r for s in tree for r in s.requests), key=lambda r: r.asked_at))
    status = _status(session, tree) if server.live or server.finished else Status.DISCONNECTED
    if status is Status.DISCONNECTED:
        since = server.lost_at or session.status_since
    elif status.needs_person:
        since = min(request.asked_at for request in requests)
    elif session.turn_ended and status in (Status.ERROR, Status.COMPLETED):
        since = session.turn_ended
    else:
        begun = (s.status_since for s in (session, *_active(tree)) if s.status is status)
        since = min(begun, default=session.status_since)
    tool = next((s for s in tree if s.tool), None)
    scopes = (session_scope(session.id), project_scope(session.directory or server.directory))
    return SessionRow(
        session=session,
        server=server,
        status=status,
        since=since,
        requests=requests,
        tokens=sum((s.tokens for s in tree), Tokens()),
        cost=sum(s.cost for s in tree),
        tool=tool.tool if tool is not None else "",
        tool_since=tool.tool_since if tool is not None else 0,
        user_acted_at=max(s.user_acted_at for s in tree),
        last_activity_at=max(s.last_activity_at for s in (session, *_active(tree))),
        muted=any(scope in fleet.mutes for scope in scopes),
    )


def _active(tree: list[Session]) -> list[Session]:
    """The descendants that work, or wait for somebody."""
    return [session for session in tree[1:] if _is_active(session)]


def _is_active(session: Session) -> bool:
    return bool(session.requests) or session.activity is not Activity.IDLE


def _status(root: Session, tree: list[Session]) -> Status:
    """The worst of the root's own status and of what its descendants hold up: their requests, retries and work.

    A subagent's error or end is its parent's to deal with; the root's own status tells what came of it.
    """
    below = [replace(s, failure=None).status for s in _active(tree)]
    return min((root.status, *below), key=lambda status: status.urgency)
