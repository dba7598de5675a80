"""All servers and sessions. `Fleet.apply` is the only place where they change.

The order of reports is not guaranteed. An event for an unknown session creates a placeholder; the id of a request or
session that has ended is kept, so that a late report does not bring it back; a snapshot replaces what was known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import msgspec
from msgspec.structs import replace

from tray.core.answers import RequestKey, drafted
from tray.core.events import (
    ActivityReported,
    AnswerDrafted,
    AnswerFailed,
    AnswerSent,
    BranchReported,
    Change,
    Event,
    FileEdited,
    InstanceDisposed,
    MessageReported,
    MuteCleared,
    MuteSet,
    OutputReported,
    RequestAsked,
    RequestClosed,
    Restored,
    ServerConnected,
    ServerForgotten,
    ServerLost,
    SessionDeleted,
    SessionFailed,
    SessionReported,
    SessionSeen,
    SessionsShared,
    SnapshotTaken,
    StepsReported,
    TimePassed,
    TodosReported,
    ToolReported,
    TurnsReported,
)
from tray.core.fleet_state import FleetState
from tray.core.servers import AgentKind, Server
from tray.core.session_events import close_request, open_request, report_detail, report_session, report_turn
from tray.core.sessions import Activity, Outcome, Request, Session, SessionKey, Status, session_scope
from tray.core.snapshots import end_everything, merge_shared, merge_snapshot
from tray.core.transitions import turns

REMOVED_AFTER_GOODBYE = 60_000  # ms that a server which said goodbye stays, shown as disconnected
REMOVED_AFTER_LOSS = 15 * 60_000  # ms that a server whose connection was lost stays, shown as disconnected
REMOVED_IF_UNPROVEN = 10_000  # ms that a server which has not proven the token stays after it disconnected
MAX_UNPROVEN_DISCONNECTED = 16  # of these servers at once


class FleetRules(msgspec.Struct, frozen=True):
    """The settings of the fleet."""

    completed_for: int = 60 * 60_000  # ms after which a finished turn is shown as idle


class Fleet:
    """What the sources have reported. Read it freely; change it only by `apply`."""

    def __init__(self, rules: FleetRules | None = None) -> None:
        self.rules = rules or FleetRules()
        self._state = FleetState()
        self.servers: Mapping[str, Server] = self._state.servers
        self.limits: Mapping[str, Mapping[str, int]] = self._state.limits  # server id -> model -> context size (tokens)
        self.sessions: Mapping[SessionKey, Session] = self._state.sessions

    # ------------------------------------------------------------------ reading

    @property
    def mutes(self) -> Mapping[str, int]:
        """The end of each mute by its scope, in ms since the epoch."""
        return self._state.mutes

    def keys(self, server_id: str) -> tuple[SessionKey, ...]:
        """Return the sessions of one server."""
        return self._state.table.of_server(server_id)

    def keys_of(self, session_id: str) -> tuple[SessionKey, ...]:
        """Return the session with this id on each server that reports it."""
        return self._state.table.of_id(session_id)

    def children(self, key: SessionKey) -> tuple[SessionKey, ...]:
        """Return the known sessions that name this one as their parent."""
        return self._state.table.children(key)

    def root_of(self, key: SessionKey) -> SessionKey:
        """Return the topmost known ancestor; the session itself if its parent is not known (yet)."""
        return self._state.table.root_of(key)

    def path(self, key: SessionKey) -> list[SessionKey]:
        """Return the session and its known ancestors, each once."""
        return self._state.table.path(key)

    def tree(self, root: SessionKey) -> list[Session]:
        """Return the session and all its descendants, itself first."""
        return self._state.table.tree(root)

    def request(self, key: RequestKey) -> Request | None:
        """Return a pending request."""
        session = self._state.session_with_request(key)
        return next((r for r in session.requests if r.id == key.request), None) if session is not None else None

    def closed(self, server_id: str) -> tuple[str, ...]:
        """Return the ids of requests and sessions of this server that ended not long ago, oldest first."""
        return self._state.closed.of_server(server_id)

    def was_closed(self, key: RequestKey) -> bool:
        """Whether the request was pending once and was closed not long ago."""
        return key in self._state.closed

    # ------------------------------------------------------------------ changing

    def apply(self, event: Event, at: int) -> tuple[Change, ...]:
        """Apply one event at time `at` (ms); return what changed. Never raises, whatever the order of events."""
        state = self._state
        match event:
            case ServerConnected(server):
                self._connect_server(server)
            case ServerLost(server_id, goodbye):
                self._disconnect_server(server_id, goodbye=goodbye, at=at)
            case ServerForgotten(server_id):
                state.forget_server(server_id)
            case SnapshotTaken():
                self._take_snapshot(event, at)
            case SessionsShared():
                merge_shared(state, event, at)
            case SessionReported(server_id, facts):
                report_session(state, server_id, facts, at)
            case SessionDeleted(server_id, session_id):
                self._delete_session(SessionKey(server_id, session_id))
            case RequestAsked(server_id, request):
                open_request(state, server_id, request, at)
            case RequestClosed(server_id, _, request_id, _):
                close_request(state, server_id, request_id, at)
            case ActivityReported() | SessionFailed() | MessageReported():
                report_turn(state, event, at)
            case OutputReported() | ToolReported() | TodosReported():
                report_detail(state, event, at)
            case BranchReported(server_id, branch):
                self._set_branch(server_id, branch)
            case InstanceDisposed(server_id):
                end_everything(state, server_id, at)
            case Restored():
                self._restore(event, at)
            case SessionSeen(key):
                for known in self.keys_of(key.session):  # another server may report the same session
                    state.put_session(turns.marked_seen(self.sessions[known]), at)
            case StepsReported() | TurnsReported() | FileEdited():
                pass  # only the history needs them
            case AnswerSent(key):
                state.change_request(key, lambda request: replace(request, sending=True, refusal=""), at)
            case AnswerFailed(key, why):
                state.change_request(key, lambda request: replace(request, sending=False, refusal=why), at)
            case AnswerDrafted(key, question, label):
                state.change_request(key, lambda request: drafted(request, question, label), at)
            case MuteSet(scope, until):
                state.set_mutes({**state.mutes, scope: until})
            case MuteCleared(scope):
                self._clear_mute(scope)
            case TimePassed():
                self._expire(at)
            case _:
                assert_never(event)
        return state.take_changes()

    def _connect_server(self, server: Server) -> None:
        unproven = [known for known in self.servers.values() if not known.verified and not known.connected]
        if not server.verified and len(unproven) >= MAX_UNPROVEN_DISCONNECTED:
            self._state.forget_server(min(unproven, key=lambda known: known.lost_at).id)
        self._state.put_server(
            replace(server, connected=True, confirmed=False, lost_at=0, said_goodbye=False, finished=False)
        )

    def _disconnect_server(self, server_id: str, *, goodbye: bool, at: int) -> None:
        server = self.servers.get(server_id)
        if server is None or not server.connected:
            return
        finished = server.runs_once and not any(_is_at_work(self.sessions[key]) for key in self.keys(server_id))
        self._state.put_server(
            replace(server, connected=False, confirmed=False, lost_at=at, said_goodbye=goodbye, finished=finished)
        )

    def _delete_session(self, key: SessionKey) -> None:
        self._state.closed.add(key.server, key.session)
        self._state.remove_session(key)
        self._clear_mute(session_scope(key.session))

    def _clear_mute(self, scope: str) -> None:
        self._state.set_mutes({name: until for name, until in self.mutes.items() if name != scope})

    def _set_branch(self, server_id: str, branch: str) -> None:
        if server_id in self.servers:
            self._state.put_server(replace(self.servers[server_id], branch=branch))

    def _take_snapshot(self, event: SnapshotTaken, at: int) -> None:
        merge_snapshot(self._state, event, at)
        self._remove_resumed(event)

    def _remove_resumed(self, event: SnapshotTaken) -> None:
        """Remove these sessions from ended processes of the same agent. A process of OpenCode may come back."""
        server = self.servers.get(event.server_id)
        if server is None or not server.connected or server.agent_kind is AgentKind.OPENCODE:
            return
        for facts in event.sessions or ():
            for key in self.keys_of(facts.id):
                other = self.servers[key.server]
                if other.agent_kind is server.agent_kind and not other.connected:
                    self._state.remove_session(key)
                    if not self.keys(other.id):
                        self._state.forget_server(other.id)

    def _restore(self, event: Restored, at: int) -> None:
        """Add what the cache knows of servers that have not connected yet."""
        restored = {server.id for server in event.servers} - set(self.servers)
        for server in event.servers:
            if server.id in restored:
                lost_at = server.lost_at or at
                self._state.put_server(replace(server, connected=False, confirmed=False, lost_at=lost_at))
        for session in event.sessions:
            if session.server in restored and session.key not in self.sessions:
                pending = tuple(replace(request, sending=False) for request in session.requests)
                self._state.put_session(replace(session, requests=pending), session.status_since)
        unexpired = {scope: until for scope, until in event.mutes.items() if until > at}
        self._state.set_mutes({**unexpired, **self.mutes})

    # ------------------------------------------------------------------ time

    def _expire(self, at: int) -> None:
        """Remove disconnected servers, completions and mutes whose time is over."""
        for server in [s for s in self.servers.values() if not s.connected and self._removed_at(s) <= at]:
            self._state.forget_server(server.id)
        for session in list(self.sessions.values()):
            if session.outcome is Outcome.COMPLETED and session.turn_ended + self.rules.completed_for <= at:
                self._state.put_session(replace(session, outcome=Outcome.NONE), at)
        self._state.set_mutes({scope: until for scope, until in self.mutes.items() if until > at})

    def _removed_at(self, server: Server) -> int:
        if not server.verified:
            return server.lost_at + REMOVED_IF_UNPROVEN
        statuses = {self.sessions[key].status for key in self.keys(server.id)}
        if server.finished and statuses & {Status.COMPLETED, Status.ERROR}:
            return server.lost_at + self.rules.completed_for  # its outcome is shown as long as that of other servers
        return server.lost_at + (REMOVED_AFTER_GOODBYE if server.said_goodbye else REMOVED_AFTER_LOSS)


def _is_at_work(session: Session) -> bool:
    return session.activity is not Activity.IDLE or bool(session.requests)
