"""Events of single sessions, applied to the fleet's state."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from tray.core.answers import RequestKey
from tray.core.events import (
    ActivityReported,
    MessageReported,
    OutputReported,
    SessionFacts,
    SessionFailed,
    TodosReported,
    ToolReported,
)
from tray.core.fleet_state import FleetState
from tray.core.sessions import Activity, Request, Session, SessionKey
from tray.core.transitions import messages, requests, turns, user_actions
from tray.core.transitions.facts import with_facts

MAX_REQUESTS = 100  # pending at once in one session
MAX_UNPROVEN_REQUESTS = 5  # the same of a server that has not proven the token


def report_session(state: FleetState, server_id: str, facts: SessionFacts, at: int) -> None:
    """Add or update a session; remove it if it is archived."""
    if server_id not in state.servers or (server_id, facts.id) in state.closed:
        return
    key = SessionKey(server_id, facts.id)
    if facts.archived:
        state.remove_session(key)
        return
    before = state.sessions.get(key) or Session(facts.id, server_id)
    state.put_session(with_facts(before, facts), at)


def report_turn(state: FleetState, event: ActivityReported | SessionFailed | MessageReported, at: int) -> None:
    """Apply an event that begins, continues or ends a turn. Activity and failures may come before their session."""
    session = state.session(event.server_id, event.session_id)
    match event:
        case ActivityReported(_, session_id, activity, retry):
            if session is None and activity is not Activity.IDLE:
                session = state.placeholder(event.server_id, session_id)
            if session is not None:
                state.put_session(turns.with_activity(session, activity, retry, at), at)
        case SessionFailed(_, session_id, failure):
            if session is None and not failure.aborted:
                session = state.placeholder(event.server_id, session_id)
            if session is not None:
                state.put_session(turns.with_failure(session, failure, at), at)
        case MessageReported(_, _, message):
            if session is not None:
                after = user_actions.with_prompt(session, messages.with_message(session, message), at)
                state.put_session(turns.with_late_end(session, after), at)
        case _:
            assert_never(event)


def report_detail(state: FleetState, event: OutputReported | ToolReported | TodosReported, at: int) -> None:
    """Apply an event that changes only what is shown of a known session."""
    session = state.session(event.server_id, event.session_id)
    if session is None:
        return
    match event:
        case OutputReported(_, _, message_id, line, beginning):
            state.put_session(messages.with_output(session, message_id, line, beginning), at)
        case ToolReported(_, _, tool, running):
            current = tool if running else ("" if session.tool == tool else session.tool)
            state.put_session(replace(session, tool=current), at)
        case TodosReported(_, _, todos):
            state.put_session(replace(session, todos=todos), at)
        case _:
            assert_never(event)


def open_request(state: FleetState, server_id: str, request: Request, at: int) -> None:
    """Add a pending request, unless it was closed before."""
    if server_id not in state.servers or (server_id, request.id) in state.closed:
        return
    session = state.session(server_id, request.session) or state.placeholder(server_id, request.session)
    if session is not None:
        limit = MAX_REQUESTS if state.servers[server_id].verified else MAX_UNPROVEN_REQUESTS
        state.put_session(requests.with_request(session, request, limit, at), at)


def close_request(state: FleetState, server_id: str, request_id: str, at: int) -> None:
    """Remove a request by its id, which is unique in its server, whatever session the report names."""
    if server_id not in state.servers:
        return
    state.closed.add(server_id, request_id)
    for key in state.table.asking(RequestKey(server_id, request_id)):
        answered = user_actions.with_answer(state.sessions[key], request_id, at)
        state.put_session(requests.without_request(answered, request_id), at)
