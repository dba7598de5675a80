"""The stored state of the fleet: servers, sessions, mutes, and the changes that are being made to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import nsmallest

from msgspec.structs import replace

from tray.core.answers import RequestKey
from tray.core.closed_ids import ClosedIds
from tray.core.events import Change, MutesChanged, ServerChanged, SessionChanged, SessionRemoved
from tray.core.servers import Server
from tray.core.session_table import SessionTable
from tray.core.sessions import Request, Session, SessionKey, Status
from tray.core.transitions import requests

MAX_SESSIONS = 1000  # of one server; a new one replaces the idle session that was used least recently
MAX_UNPROVEN_SESSIONS = 50  # the same of a server that has not proven the token: any program can be one
ROOM = 50  # one in so many sessions makes room at once: all of them have to be compared for that
ACTIVITY_PRECISION = 30_000  # ms; `last_activity_at` changes no more often than that: each change updates the views


class FleetState:
    """Servers, sessions and mutes, each with the one method that changes it and records the change."""

    def __init__(self) -> None:
        self.servers: dict[str, Server] = {}
        self.limits: dict[str, Mapping[str, int]] = {}  # server id -> model -> context size in tokens
        self.mutes: dict[str, int] = {}  # scope -> end, in ms since the epoch
        self.table = SessionTable()
        self.closed = ClosedIds()
        self._changes: list[Change] = []

    def take_changes(self) -> tuple[Change, ...]:
        """Return the changes since the last call."""
        changes = tuple(self._changes)
        self._changes.clear()
        return changes

    @property
    def sessions(self) -> Mapping[SessionKey, Session]:
        """All sessions by key."""
        return self.table.sessions

    # ------------------------------------------------------------------ servers and mutes

    def put_server(self, server: Server) -> None:
        """Add or replace a server."""
        if self.servers.get(server.id) != server:
            self.servers[server.id] = server
            self._changes.append(ServerChanged(server.id, server))

    def forget_server(self, server_id: str) -> None:
        """Remove a server with its sessions."""
        if server_id not in self.servers:
            return
        for key in self.table.of_server(server_id):
            self.remove_session(key)
        self.servers.pop(server_id, None)
        self.limits.pop(server_id, None)
        self.closed.forget(server_id)
        self._changes.append(ServerChanged(server_id, None))

    def set_mutes(self, mutes: dict[str, int]) -> None:
        """Replace all mutes."""
        if mutes != self.mutes:
            self.mutes = mutes
            self._changes.append(MutesChanged())

    # ------------------------------------------------------------------ sessions

    def session(self, server_id: str, session_id: str) -> Session | None:
        """Return a known session."""
        return self.table.sessions.get(SessionKey(server_id, session_id))

    def session_with_request(self, key: RequestKey) -> Session | None:
        """Return the session that waits with this request."""
        found = self.table.asking(key)
        return self.table.sessions[found[0]] if found else None

    def placeholder(self, server_id: str, session_id: str) -> Session | None:
        """Return a session for a report that came before the session itself; None if it ended or has no server."""
        if server_id not in self.servers or (server_id, session_id) in self.closed:
            return None
        return Session(session_id, server_id, directory=self.servers[server_id].directory)

    def put_session(self, after: Session, at: int, *, is_copy: bool = False) -> None:
        """Add or replace a session at time `at` (ms). A new one is dropped if its server has too many.

        `is_copy`: it comes from another tray, which knows since when its parts are as they are.
        """
        before = self.table.sessions.get(after.key)
        if before is after or before == after:
            return
        if before is None and not self._make_room(after.server):
            return
        if not is_copy:
            after = _with_times(before, after, at)
        self.table.put(after)
        self._changes.append(SessionChanged(before, after))

    def change_request(self, key: RequestKey, change: Callable[[Request], Request], at: int) -> None:
        """Change a pending request of a server that has proven the token."""
        session = self.session_with_request(key)
        if session is not None and self.servers[key.server].verified:
            self.put_session(requests.with_changed_request(session, key.request, change), at)

    def remove_session(self, key: SessionKey) -> None:
        """Remove a session, if it is known."""
        before = self.table.remove(key)
        if before is not None:
            self._changes.append(SessionRemoved(before))

    def _make_room(self, server_id: str) -> bool:
        limit = MAX_SESSIONS if self.servers[server_id].verified else MAX_UNPROVEN_SESSIONS
        if self.table.count(server_id) < limit:
            return True
        sessions = self.table.sessions
        idle = [key for key in self.table.of_server(server_id) if sessions[key].status in (Status.IDLE, Status.ABORTED)]
        if not idle:
            return False
        for key in nsmallest(limit // ROOM, idle, key=lambda key: sessions[key].touched):
            self.remove_session(key)
        return True


def _with_times(before: Session | None, after: Session, at: int) -> Session:
    """Return the session with the times at which its parts became what they are."""
    if before is None or before.status is not after.status:
        after = replace(after, status_since=_status_since(before, after, at))
    if after.tool and (before is None or before.tool != after.tool) and not _reports_tool_start(before, after):
        after = replace(after, tool_since=at)
    if abs(at - after.last_activity_at) >= ACTIVITY_PRECISION:
        after = replace(after, last_activity_at=at)
    return after


def _status_since(before: Session | None, after: Session, at: int) -> int:
    """When a status that is first seen at `at` began, where the source reports it."""
    status, reported = after.status, 0
    if status in (Status.ERROR, Status.COMPLETED, Status.IDLE):
        reported = after.touched if status is Status.IDLE and before is None else after.turn_ended
    return min(reported or at, at)


def _reports_tool_start(before: Session | None, after: Session) -> bool:
    """Whether the source itself reported when the tool started."""
    return after.tool_since != (before.tool_since if before is not None else 0)
