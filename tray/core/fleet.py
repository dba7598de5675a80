"""All servers and sessions, and the one place where what is known of them changes: `Fleet.apply`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

import msgspec
from msgspec.structs import replace

from tray.core import requests, turns, user_actions
from tray.core.answers import RequestKey, drafted
from tray.core.closed_ids import ClosedIds
from tray.core.events import (
    ActivityReported,
    AnswerDrafted,
    AnswerFailed,
    AnswerSent,
    BranchReported,
    Change,
    Event,
    InstanceDisposed,
    MessageReported,
    MuteCleared,
    MutesChanged,
    MuteSet,
    OutputReported,
    RequestAsked,
    RequestClosed,
    Restored,
    ServerChanged,
    ServerConnected,
    ServerForgotten,
    ServerLost,
    SessionChanged,
    SessionDeleted,
    SessionFacts,
    SessionFailed,
    SessionRemoved,
    SessionReported,
    SessionSeen,
    SnapshotTaken,
    TimePassed,
    TodosReported,
    ToolReported,
)
from tray.core.model import Activity, Outcome, Request, RequestKind, Server, Session, SessionKey, Status
from tray.core.session_table import SessionTable

GONE_AFTER_GOODBYE = 60_000  # ms that a server which said goodbye stays, greyed
GONE_AFTER_LOSS = 15 * 60_000  # ms that a server which fell silent stays, greyed
MAX_SESSIONS = 1000  # of one server; beyond that the longest untouched quiet one makes room
MAX_REQUESTS = 100  # pending at once in one session
GONE_IF_UNPROVEN = 10_000  # ms that a server without a token stays after it went
MAX_UNPROVEN_SESSIONS, MAX_UNPROVEN_REQUESTS = 50, 5  # the same of a server without a token: anybody can be one
MAX_UNPROVEN_GONE = 16  # of these, servers that went and are still shown
HEARD_EVERY = 30_000  # ms; signs of life are told apart no finer: each would be a change to show


class FleetRules(msgspec.Struct, frozen=True):
    """What a person may set about the model."""

    completed_for: int = 60 * 60_000  # ms after which a finished turn is no news any more


class Fleet:
    """What is true, as far as the sources have told. Read it freely; change it only by `apply`."""

    def __init__(self, rules: FleetRules | None = None) -> None:
        self.rules = rules or FleetRules()
        self.servers: dict[str, Server] = {}
        self.limits: dict[str, Mapping[str, int]] = {}  # by server: model -> context size in tokens
        self.mutes: dict[str, int] = {}  # scope -> until when
        self._table = SessionTable()
        self._closed = ClosedIds()
        self._changes: list[Change] = []

    # ------------------------------------------------------------------ reading

    @property
    def sessions(self) -> Mapping[SessionKey, Session]:
        """All sessions by key."""
        return self._table.sessions

    def keys(self, server_id: str) -> tuple[SessionKey, ...]:
        """The sessions of one server."""
        return self._table.of_server(server_id)

    def keys_of(self, session_id: str) -> tuple[SessionKey, ...]:
        """The session with this id on each server that reports it."""
        return self._table.of_id(session_id)

    def children(self, key: SessionKey) -> tuple[SessionKey, ...]:
        """The known sessions that name this one as their parent."""
        return self._table.children(key)

    def root_of(self, key: SessionKey) -> SessionKey:
        """The topmost known ancestor; the session itself if its parent is not known (yet)."""
        return self._table.root_of(key)

    def tree(self, root: SessionKey) -> list[Session]:
        """The session and all its descendants, itself first."""
        return self._table.tree(root)

    def request(self, key: RequestKey) -> Request | None:
        """The request, as long as it waits."""
        session = self._asking(key)
        return next((r for r in session.requests if r.id == key.request), None) if session is not None else None

    def closed(self, server_id: str) -> tuple[str, ...]:
        """The ids of requests and sessions of this server that ended not long ago, oldest first."""
        return self._closed.of_server(server_id)

    def was_closed(self, key: RequestKey) -> bool:
        """Whether the request waited once, and was answered or dropped not long ago."""
        return key in self._closed

    # ------------------------------------------------------------------ changing

    def apply(self, event: Event, at: int) -> tuple[Change, ...]:
        """Take one fact in at time `at`; returns what changed. Never raises, whatever the order of events."""
        self._changes = []
        match event:
            case ServerConnected(server):
                self._server_connected(server)
            case ServerLost(server_id, goodbye):
                self._server_lost(server_id, goodbye=goodbye, at=at)
            case ServerForgotten(server_id):
                self._forget_server(server_id)
            case SnapshotTaken():
                self._snapshot_taken(event, at)
            case SessionReported(server_id, facts):
                self._session_reported(server_id, facts, at)
            case SessionDeleted(server_id, session_id):
                self._closed.add(server_id, session_id)
                self._remove(SessionKey(server_id, session_id))
            case RequestAsked(server_id, request):
                self._request_asked(server_id, request, at)
            case RequestClosed(server_id, _, request_id, _):
                self._request_closed(server_id, request_id, at)
            case ActivityReported() | SessionFailed() | MessageReported():
                self._turn_reported(event, at)
            case OutputReported() | ToolReported() | TodosReported():
                self._detail_reported(event, at)
            case BranchReported(server_id, branch):
                if server_id in self.servers:
                    self._put_server(replace(self.servers[server_id], branch=branch))
            case InstanceDisposed(server_id):
                self._settle(server_id, at)
            case Restored():
                self._restored(event, at)
            case SessionSeen(key):
                for known in self.keys_of(key.session):  # another server may know the same session
                    self._put(turns.seen(self.sessions[known]), at)
            case AnswerSent(key):
                self._request_changed(key, lambda request: replace(request, sending=True, refusal=""), at)
            case AnswerFailed(key, why):
                self._request_changed(key, lambda request: replace(request, sending=False, refusal=why), at)
            case AnswerDrafted(key, question, label):
                self._request_changed(key, lambda request: drafted(request, question, label), at)
            case MuteSet(scope, until):
                self._set_mutes({**self.mutes, scope: until})
            case MuteCleared(scope):
                self._set_mutes({name: until for name, until in self.mutes.items() if name != scope})
            case TimePassed():
                self._time_passed(at)
            case _:
                assert_never(event)
        return tuple(self._changes)

    # ------------------------------------------------------------------ servers

    def _server_connected(self, server: Server) -> None:
        gone = [known for known in self.servers.values() if not known.verified and not known.connected]
        if not server.verified and len(gone) >= MAX_UNPROVEN_GONE:
            self._forget_server(min(gone, key=lambda known: known.lost_at).id)
        self._put_server(
            replace(server, connected=True, confirmed=False, lost_at=0, said_goodbye=False, finished=False)
        )

    def _server_lost(self, server_id: str, *, goodbye: bool, at: int) -> None:
        server = self.servers.get(server_id)
        if server is None or not server.connected:
            return
        finished = server.runs_once and not any(_is_at_work(self.sessions[key]) for key in self.keys(server_id))
        gone = replace(server, connected=False, confirmed=False, lost_at=at, said_goodbye=goodbye, finished=finished)
        self._put_server(gone)

    def _put_server(self, server: Server) -> None:
        if self.servers.get(server.id) != server:
            self.servers[server.id] = server
            self._changes.append(ServerChanged(server.id, server))

    def _forget_server(self, server_id: str) -> None:
        if server_id not in self.servers:
            return
        for key in self.keys(server_id):
            self._remove(key)
        self.servers.pop(server_id, None)
        self.limits.pop(server_id, None)
        self._closed.forget(server_id)
        self._changes.append(ServerChanged(server_id, None))

    # ------------------------------------------------------------------ snapshots

    def _snapshot_taken(self, snapshot: SnapshotTaken, at: int) -> None:
        server = self.servers.get(snapshot.server_id)
        if server is None:
            return
        if snapshot.limits is not None:
            self.limits[server.id] = dict(snapshot.limits)
        branch = server.branch if snapshot.branch is None else snapshot.branch
        services = server.services if snapshot.services is None else snapshot.services
        self._put_server(replace(server, branch=branch, services=services, confirmed=True))
        if snapshot.sessions is not None:
            self._sessions_told(server.id, snapshot, at)
        if snapshot.activities is not None:
            for key in self.keys(server.id):
                activity, retry = snapshot.activities.get(key.session, (Activity.IDLE, None))
                self._put(turns.with_activity(self.sessions[key], activity, retry, at), at)
            for name, (activity, retry) in snapshot.activities.items():
                if SessionKey(server.id, name) not in self.sessions:
                    self._turn_reported(ActivityReported(server.id, name, activity, retry), at)
        for kind in RequestKind:
            self._requests_told(server.id, kind, snapshot.requests(kind), at)
        if snapshot.todos is not None:
            for key in self.keys(server.id):
                session, todos = self.sessions[key], snapshot.todos.get(key.session, ())
                if session.todos != todos:
                    self._put(replace(session, todos=todos), at)

    def _sessions_told(self, server_id: str, snapshot: SnapshotTaken, at: int) -> None:
        named = {facts.id for facts in snapshot.sessions or () if not facts.archived}
        for kind in RequestKind:
            named.update(request.session for request in snapshot.requests(kind) or ())
        self._closed.reopen(server_id, named)
        for key in self.keys(server_id):
            if key.session not in named:
                self._remove(key)
        for facts in snapshot.sessions or ():
            self._session_reported(server_id, facts, at)

    def _requests_told(self, server_id: str, kind: RequestKind, told: tuple[Request, ...] | None, at: int) -> None:
        if told is None:
            return
        listed = {request.id for request in told}
        self._closed.reopen(server_id, listed | {request.session for request in told})
        for key in self.keys(server_id):
            self._put(requests.only(self.sessions[key], kind, listed), at)
        for request in told:
            self._request_asked(server_id, request, at)

    def _settle(self, server_id: str, at: int) -> None:
        """Nothing runs and nothing waits on this server."""
        for key in self.keys(server_id):
            session = replace(self.sessions[key], requests=())
            self._put(turns.with_activity(session, Activity.IDLE, None, at), at)

    # ------------------------------------------------------------------ sessions

    def _session_reported(self, server_id: str, facts: SessionFacts, at: int) -> None:
        if server_id not in self.servers or (server_id, facts.id) in self._closed:
            return
        key = SessionKey(server_id, facts.id)
        if facts.archived:
            self._remove(key)
            return
        before = self.sessions.get(key) or Session(facts.id, server_id)
        self._put(turns.with_facts(before, facts), at)

    def _turn_reported(self, event: ActivityReported | SessionFailed | MessageReported, at: int) -> None:
        session = self._session(event.server_id, event.session_id)
        match event:
            case ActivityReported(_, session_id, activity, retry):
                if session is None and activity is not Activity.IDLE:
                    session = self._placeholder(event.server_id, session_id)
                if session is not None:
                    self._put(turns.with_activity(session, activity, retry, at), at)
            case SessionFailed(_, session_id, failure):
                if session is None and not failure.aborted:
                    session = self._placeholder(event.server_id, session_id)
                if session is not None:
                    self._put(turns.with_failure(session, failure, at), at)
            case MessageReported(_, _, message):
                if session is not None:
                    self._put(user_actions.prompted(session, turns.with_message(session, message), at), at)
            case _:
                assert_never(event)

    def _detail_reported(self, event: OutputReported | ToolReported | TodosReported, at: int) -> None:
        session = self._session(event.server_id, event.session_id)
        if session is None:
            return
        match event:
            case OutputReported(_, _, message_id, line):
                self._put(turns.with_output(session, message_id, line), at)
            case ToolReported(_, _, tool, running):
                current = tool if running else ("" if session.tool == tool else session.tool)
                self._put(replace(session, tool=current), at)
            case TodosReported(_, _, todos):
                self._put(replace(session, todos=todos), at)
            case _:
                assert_never(event)

    def _request_asked(self, server_id: str, request: Request, at: int) -> None:
        if server_id not in self.servers or (server_id, request.id) in self._closed:
            return
        session = self._session(server_id, request.session) or self._placeholder(server_id, request.session)
        if session is not None:
            most = MAX_REQUESTS if self.servers[server_id].verified else MAX_UNPROVEN_REQUESTS
            self._put(requests.asked(session, request, most, at), at)

    def _request_closed(self, server_id: str, request_id: str, at: int) -> None:
        """Drop the request by its id alone, which is unique: whatever session it was said to be of."""
        if server_id not in self.servers:
            return
        self._closed.add(server_id, request_id)
        for key in self._table.asking(RequestKey(server_id, request_id)):
            self._put(requests.closed(user_actions.answered(self.sessions[key], request_id, at), request_id), at)

    def _request_changed(self, key: RequestKey, change: Callable[[Request], Request], at: int) -> None:
        session = self._asking(key)
        if session is not None and self.servers[key.server].verified:
            self._put(requests.changed(session, key.request, change), at)

    def _asking(self, key: RequestKey) -> Session | None:
        """The session that waits with this request."""
        found = self._table.asking(key)
        return self.sessions[found[0]] if found else None

    def _session(self, server_id: str, session_id: str) -> Session | None:
        return self.sessions.get(SessionKey(server_id, session_id))

    def _placeholder(self, server_id: str, session_id: str) -> Session | None:
        """A session that acts before it was introduced; None if it was deleted or its server is unknown."""
        if server_id not in self.servers or (server_id, session_id) in self._closed:
            return None
        return Session(session_id, server_id, directory=self.servers[server_id].directory)

    def _put(self, after: Session, at: int) -> None:
        before = self.sessions.get(after.key)
        if before is after or before == after:
            return
        if before is None and not self._room_for_one(after.server):
            return
        if before is None or before.status is not after.status:
            after = replace(after, status_since=_began(before, after, at))
        if after.tool and (before is None or before.tool != after.tool) and not _is_told(before, after):
            after = replace(after, tool_since=at)
        if at - after.last_activity_at >= HEARD_EVERY:
            after = replace(after, last_activity_at=at)
        self._table.put(after)
        self._changes.append(SessionChanged(before, after))

    def _remove(self, key: SessionKey) -> None:
        before = self._table.remove(key)
        if before is not None:
            self._changes.append(SessionRemoved(before))

    def _room_for_one(self, server_id: str) -> bool:
        if self._table.count(server_id) < (MAX_SESSIONS if self.servers[server_id].verified else MAX_UNPROVEN_SESSIONS):
            return True
        quiet = [key for key in self.keys(server_id) if self.sessions[key].status in (Status.IDLE, Status.ABORTED)]
        if not quiet:
            return False
        self._remove(min(quiet, key=lambda key: self.sessions[key].touched))
        return True

    # ------------------------------------------------------------------ people and time

    def _restored(self, event: Restored, at: int) -> None:
        fresh = {server.id for server in event.servers} - set(self.servers)
        for server in event.servers:
            if server.id in fresh:
                lost_at = server.lost_at or at
                self._put_server(replace(server, connected=False, confirmed=False, lost_at=lost_at))
        for session in event.sessions:
            if session.server in fresh and session.key not in self.sessions:
                waiting = tuple(replace(request, sending=False) for request in session.requests)  # who sent it is gone
                self._put(replace(session, requests=waiting), session.status_since)
        still = {scope: until for scope, until in event.mutes.items() if until > at}
        self._set_mutes({**still, **self.mutes})

    def _set_mutes(self, mutes: dict[str, int]) -> None:
        if mutes != self.mutes:
            self.mutes = mutes
            self._changes.append(MutesChanged())

    def _time_passed(self, at: int) -> None:
        for server in [s for s in self.servers.values() if not s.connected and self._gone_at(s) <= at]:
            self._forget_server(server.id)
        for session in list(self.sessions.values()):
            if session.outcome is Outcome.COMPLETED and session.turn_ended + self.rules.completed_for <= at:
                self._put(replace(session, outcome=Outcome.NONE), at)
        self._set_mutes({scope: until for scope, until in self.mutes.items() if until > at})

    def _gone_at(self, server: Server) -> int:
        if not server.verified:
            return server.lost_at + GONE_IF_UNPROVEN
        told = {self.sessions[key].status for key in self.keys(server.id)}
        if server.finished and told & {Status.COMPLETED, Status.ERROR}:
            return server.lost_at + self.rules.completed_for  # how it ended is news as long as elsewhere
        return server.lost_at + (GONE_AFTER_GOODBYE if server.said_goodbye else GONE_AFTER_LOSS)


def _is_at_work(session: Session) -> bool:
    return session.activity is not Activity.IDLE or bool(session.requests)


def _began(before: Session | None, after: Session, at: int) -> int:
    """When a status that is seen at `at` began, as far as that is told."""
    status, told = after.status, 0
    if status in (Status.ERROR, Status.COMPLETED, Status.IDLE):
        told = after.touched if status is Status.IDLE and before is None else after.turn_ended
    return min(told or at, at)


def _is_told(before: Session | None, after: Session) -> bool:
    """Whether the source said itself when the tool began."""
    return after.tool_since != (before.tool_since if before is not None else 0)
