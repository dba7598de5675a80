"""Root sessions as rows, updated from the fleet's changes and ordered by state and age."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable
from itertools import islice

import msgspec
from msgspec.structs import replace

from tray.core.events import Change, MutesChanged, ServerChanged, SessionChanged, SessionRemoved
from tray.core.fleet import Fleet
from tray.core.messages import Tokens
from tray.core.project_names import Folder, ProjectNames
from tray.core.servers import Server, Source
from tray.core.sessions import Activity, Request, Session, SessionKey, Status, session_scope


class SessionRow(msgspec.Struct, frozen=True):
    """A root session, with the sums and requests of its subagent sessions."""

    session: Session
    server: Server
    status: Status
    since: int  # when this status began
    requests: tuple[Request, ...]  # its own and its subagents', oldest first
    tokens: Tokens
    cost: float
    tool: str
    tool_since: int
    user_acted_at: int  # when the user last did something in it or its subagents
    last_activity_at: int  # the last change of any of its working sessions
    muted: bool  # by a mute of the session or its project, not that of everything; or only watched

    @property
    def key(self) -> SessionKey:
        """The key of the root session."""
        return self.session.key

    @property
    def waiting(self) -> tuple[Request, ...]:
        """The requests that the user can answer now: none while its agent is not connected."""
        return self.requests if self.status.needs_user else ()


def project_scope(directory: str) -> str:
    """Return the mute scope of one project directory."""
    return f"project:{directory}"


def folder_of(row: SessionRow) -> Folder:
    """Return the folder in which the session runs."""
    server = row.server
    directory = row.session.directory or server.directory
    linked = bool(server.repository) and directory == server.directory
    return Folder(server.host, directory, server.repository if linked else "", server.branch if linked else "")


EVERYTHING = ""  # the mute scope of all sessions


class SessionIndex:
    """The rows, derived from the fleet. A change recomputes only the rows that it concerns.

    A session that two servers report is one row, taken from the better server (`_preference`).
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._candidates: dict[str, dict[str, SessionRow]] = {}  # session id -> server id -> row
        self._rows: dict[str, SessionRow] = {}  # session id -> the best of its candidates
        self._by_age: dict[Status, list[tuple[int, str]]] = {status: [] for status in Status}  # (since, session id)
        self._muted: Counter[Status] = Counter()
        self._names = ProjectNames()
        self._in_folder: dict[Folder, set[str]] = {}  # folder -> ids of its root sessions
        self._renamed: set[Folder] = set()  # folders whose names may have changed since the last update

    def update(self, changes: Iterable[Change]) -> frozenset[str]:
        """Update the rows. Return the ids of the root sessions whose row may have changed."""
        stale: set[SessionKey] = set()
        for change in changes:
            match change:
                case SessionChanged(_, after):
                    stale.add(after.key)
                    stale.add(self._fleet.root_of(after.key))
                    if change.before is None or change.before.parent != after.parent:
                        stale.update(self._fleet.children(after.key))
                        stale.update(self._path_above(change.before))
                case SessionRemoved(before):
                    stale.add(before.key)
                    stale.update(self._fleet.children(before.key))
                    stale.update(self._path_above(before))
                case ServerChanged(server_id, _):
                    stale.update(self._fleet.keys(server_id))  # removed sessions come as SessionRemoved
                case MutesChanged():
                    stale.update(row.key for rows in self._candidates.values() for row in rows.values())
        for key in stale:
            self._recompute(key)
        renamed = {name for folder in self._renamed for name in self._in_folder.get(folder, ())}
        self._renamed.clear()
        return frozenset(key.session for key in stale) | renamed

    def row(self, session_id: str) -> SessionRow | None:
        """Return the row of a root session."""
        return self._rows.get(session_id)

    def project(self, row: SessionRow) -> str:
        """Return the name of the row's project, unique among all rows."""
        return self._names.name(folder_of(row))

    @property
    def total(self) -> int:
        """The number of rows."""
        return len(self._rows)

    def rows(self) -> list[SessionRow]:
        """Return all rows, in no order."""
        return list(self._rows.values())

    def oldest(self, status: Status, count: int | None = None) -> list[SessionRow]:
        """Return at most `count` rows in this state, those that have been in it longest first."""
        return [self._rows[name] for _, name in islice(self._by_age[status], count)]

    def newest(self, status: Status, count: int) -> list[SessionRow]:
        """Return at most `count` rows in this state, those that have been in it for the shortest time first."""
        return [self._rows[name] for _, name in islice(reversed(self._by_age[status]), count)]

    def count(self, status: Status) -> int:
        """Return the number of rows in this state."""
        return len(self._by_age[status])

    def muted(self, status: Status) -> int:
        """Return the number of muted rows in this state."""
        return self._muted[status]

    @property
    def muted_rows(self) -> int:
        """The number of muted rows in all states."""
        return sum(self._muted.values())

    def _path_above(self, before: Session | None) -> Iterable[SessionKey]:
        """Return the former ancestors of a session. Each may have been its root, also one within a cycle of parents."""
        if before is None or before.parent is None:
            return ()
        return self._fleet.path(SessionKey(before.server, before.parent))

    def _recompute(self, key: SessionKey) -> None:
        session = self._fleet.sessions.get(key)
        server = self._fleet.servers.get(key.server)
        candidates = self._candidates.setdefault(key.session, {})
        if session is None or server is None or self._fleet.root_of(key) != key or self._is_left_over(session):
            candidates.pop(key.server, None)
        else:
            candidates[key.server] = _row(self._fleet, session, server)
        if not candidates:
            del self._candidates[key.session]
        self._set_row(key.session, min(candidates.values(), key=_preference, default=None))

    def _is_left_over(self, session: Session) -> bool:
        """Whether this is a subagent session without a known parent that neither works nor waits."""
        return session.parent is not None and not any(map(_is_active, self._fleet.tree(session.key)))

    def _set_row(self, session_id: str, row: SessionRow | None) -> None:
        before = self._rows.pop(session_id, None)
        if before is not None:
            in_state = self._by_age[before.status]
            del in_state[bisect_left(in_state, (before.since, session_id))]
            self._muted[before.status] -= before.muted
        folder = folder_of(row) if row is not None else None
        folder_before = folder_of(before) if before is not None else None
        if folder != folder_before:
            self._set_folder(session_id, folder_before, folder)
        if row is not None:
            self._rows[session_id] = row
            insort(self._by_age[row.status], (row.since, session_id))
            self._muted[row.status] += row.muted

    def _set_folder(self, session_id: str, before: Folder | None, after: Folder | None) -> None:
        if after is not None:
            self._renamed |= self._names.use(after)
            self._in_folder.setdefault(after, set()).add(session_id)
        if before is not None:
            self._renamed |= self._names.release(before)
            self._in_folder[before].discard(session_id)
            if not self._in_folder[before]:
                del self._in_folder[before]


def _preference(row: SessionRow) -> tuple[bool, bool, bool, int, int, bool, int, str]:
    """Sort key: verified, connected, not the team's, most urgent state, best source, own directory, most recently used.

    The state comes before the source: a plugin does not report a turn that another OpenCode process runs. What another
    tray publishes never replaces what is seen directly.
    """
    server, session = row.server, row.session
    elsewhere = server.directory != session.directory
    return (
        not server.verified,
        not server.live,
        server.source is Source.TEAM,
        row.status.urgency,
        server.source.rank,
        elsewhere,
        -session.touched,
        server.id,
    )


def _row(fleet: Fleet, session: Session, server: Server) -> SessionRow:
    tree = fleet.tree(session.key)
    requests = tuple(sorted((r for s in tree for r in s.requests), key=lambda r: r.asked_at))
    status = _status(session, tree) if server.live or server.finished else Status.DISCONNECTED
    if status is Status.DISCONNECTED:
        since = server.lost_at or session.status_since
    elif status.needs_user:
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
        muted=server.is_watched or any(scope in fleet.mutes for scope in scopes),
    )


def _active(tree: list[Session]) -> list[Session]:
    """Return the subagent sessions that work or wait."""
    return [session for session in tree[1:] if _is_active(session)]


def _is_active(session: Session) -> bool:
    return bool(session.requests) or session.activity is not Activity.IDLE


def _status(root: Session, tree: list[Session]) -> Status:
    """Return the most urgent state of the root and of its active subagents.

    A subagent's error or end does not count: its parent handles it, and the root's own state shows the result.
    """
    below = [replace(s, failure=None).status for s in _active(tree)]
    return min((root.status, *below), key=lambda status: status.urgency)
