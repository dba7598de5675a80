"""Find a session or request by its ID, or by the start of its ID."""

from __future__ import annotations

from tray.core.answers import RequestKey
from tray.core.errors import UserError
from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex
from tray.core.sessions import SessionKey

MAX_LISTED = 5  # IDs in an error message


class NotFoundError(UserError):
    """No ID matches, or several do."""


def find_session(fleet: Fleet, index: SessionIndex, text: str) -> SessionKey:
    """Return the session with this ID, or the only one whose ID starts with `text`. Raises NotFoundError."""
    sessions: dict[str, SessionKey] = {}
    for key in fleet.sessions:
        row = index.row(key.session)
        sessions[key.session] = row.key if row is not None else key  # the index knows which of two servers is better
    if text in sessions:
        return sessions[text]
    matches = [key for session_id, key in sessions.items() if text and session_id.startswith(text)]
    if not matches:
        raise NotFoundError(f"unknown session {text!r}; list the sessions with: opencode-tray status")
    if len(matches) > 1:
        ids = ", ".join(key.session for key in matches[:MAX_LISTED])
        raise NotFoundError(f"{len(matches)} sessions start with {text!r}: {ids}; type more of the ID")
    return matches[0]


def find_request(fleet: Fleet, index: SessionIndex, text: str) -> RequestKey:
    """Return the request with this ID, or the only one whose ID starts with `text`. Raises NotFoundError.

    Requests that were closed a moment ago match too, so that a late answer gets a clear message. For the same reason a
    text that matches both a pending and a closed request is ambiguous: the user may have meant the closed one.
    """
    pending = [RequestKey(row.server.id, request.id) for row in index.rows() for request in row.requests]
    closed = [RequestKey(server, request) for server in fleet.servers for request in fleet.closed(server)]
    exact = [key for key in pending if key.request == text] or [key for key in closed if key.request == text]
    if len(exact) > 1:
        raise NotFoundError(f"{len(exact)} servers have a request {text!r}; answer it in its terminal")
    if exact:
        return exact[0]
    pending, closed = _starting_with(pending, text), _starting_with(closed, text)
    if len(pending) + len(closed) == 1:
        return (*pending, *closed)[0]
    ids = ", ".join(key.request for key in pending[:MAX_LISTED])
    if len(pending) > 1:
        raise NotFoundError(f"{len(pending)} pending requests start with {text!r}: {ids}; type more of the ID")
    if pending:
        raise NotFoundError(
            f"{text!r} matches {ids}, which is pending, and a request that was just answered; type the whole ID: {ids}"
        )
    if closed:
        raise NotFoundError(f"no pending request starts with {text!r}; {len(closed)} were just answered")
    raise NotFoundError(f"unknown request {text!r}; list the pending requests with: opencode-tray status")


def _starting_with(keys: list[RequestKey], text: str) -> list[RequestKey]:
    return [key for key in keys if text and key.request.startswith(text)]
