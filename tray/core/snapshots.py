"""Snapshots: the complete state of a server at one moment, merged into the fleet's state."""

from __future__ import annotations

from msgspec.structs import replace

from tray.core.events import ActivityReported, SessionsShared, SnapshotTaken
from tray.core.fleet_state import FleetState
from tray.core.session_events import open_request, report_session, report_turn
from tray.core.sessions import Activity, Request, RequestKind, SessionKey
from tray.core.transitions import requests, turns
from tray.core.transitions.copies import with_copy


def merge_snapshot(state: FleetState, snapshot: SnapshotTaken, at: int) -> None:
    """Replace what is known of the server by the snapshot. A section that is None was not read and stays as it was."""
    server = state.servers.get(snapshot.server_id)
    if server is None:
        return
    if snapshot.limits is not None:
        state.limits[server.id] = dict(snapshot.limits)
    branch = server.branch if snapshot.branch is None else snapshot.branch
    services = server.services if snapshot.services is None else snapshot.services
    plan_limits = server.plan_limits if snapshot.plan_limits is None else snapshot.plan_limits
    state.put_server(replace(server, branch=branch, services=services, plan_limits=plan_limits, confirmed=True))
    if snapshot.sessions is not None:
        _merge_sessions(state, snapshot, at)
    if snapshot.activities is not None:
        _merge_activities(state, snapshot, at)
    for kind in RequestKind:
        _merge_requests(state, server.id, kind, snapshot.requests(kind), at)
    if snapshot.todos is not None:
        for key in state.table.of_server(server.id):
            session, todos = state.sessions[key], snapshot.todos.get(key.session, ())
            if session.todos != todos:
                state.put_session(replace(session, todos=todos), at)


def merge_shared(state: FleetState, shared: SessionsShared, at: int) -> None:
    """Replace what is known of a server of another tray, and of these sessions."""
    server_id = shared.server.id
    state.put_server(shared.server)
    ids = {session.id for session in shared.sessions}
    removed = set(shared.removed)
    if shared.is_complete:
        removed |= {key.session for key in state.table.of_server(server_id)} - ids
    for session_id in removed:
        state.remove_session(SessionKey(server_id, session_id))
    for session in shared.sessions:
        before, pending = state.sessions.get(session.key), {request.id for request in session.requests}
        state.closed.reopen(server_id, pending)
        for request in before.requests if before is not None else ():
            if request.id not in pending:
                state.closed.add(server_id, request.id)
        state.put_session(with_copy(before, session), at, is_copy=True)


def end_everything(state: FleetState, server_id: str, at: int) -> None:
    """End all turns and requests of a server: OpenCode unloaded its directory."""
    for key in state.table.of_server(server_id):
        session = replace(state.sessions[key], requests=())
        state.put_session(turns.with_activity(session, Activity.IDLE, None, at), at)


def _merge_sessions(state: FleetState, snapshot: SnapshotTaken, at: int) -> None:
    server_id, listed = snapshot.server_id, snapshot.sessions or ()
    ids = {facts.id for facts in listed if not facts.archived}
    for kind in RequestKind:
        ids.update(request.session for request in snapshot.requests(kind) or ())
    state.closed.reopen(server_id, ids)
    for key in state.table.of_server(server_id):
        if key.session not in ids:
            state.remove_session(key)
    for facts in listed:
        report_session(state, server_id, facts, at)


def _merge_activities(state: FleetState, snapshot: SnapshotTaken, at: int) -> None:
    server_id, activities = snapshot.server_id, snapshot.activities or {}
    for key in state.table.of_server(server_id):
        activity, retry = activities.get(key.session, (Activity.IDLE, None))
        state.put_session(turns.with_activity(state.sessions[key], activity, retry, at), at)
    for session_id, (activity, retry) in activities.items():
        if SessionKey(server_id, session_id) not in state.sessions:
            report_turn(state, ActivityReported(server_id, session_id, activity, retry), at)


def _merge_requests(
    state: FleetState, server_id: str, kind: RequestKind, listed: tuple[Request, ...] | None, at: int
) -> None:
    if listed is None:
        return
    ids = {request.id for request in listed}
    state.closed.reopen(server_id, ids | {request.session for request in listed})
    for key in state.table.of_server(server_id):
        state.put_session(requests.with_only_requests(state.sessions[key], kind, ids), at)
    for request in listed:
        open_request(state, server_id, request, at)
