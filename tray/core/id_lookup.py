"""Finding what a person named: by its id, or by the beginning of one."""

from __future__ import annotations

from tray.core.answers import RequestKey
from tray.core.errors import UserError
from tray.core.fleet import Fleet
from tray.core.model import SessionKey
from tray.core.session_index import SessionIndex

MOST_NAMED = 5  # ids in a message


class NotFoundError(UserError):
    """Nothing, or more than one thing, is called so."""


def find_session(fleet: Fleet, index: SessionIndex, name: str) -> SessionKey:
    """The session with this id, or whose id alone begins so. Raises NotFoundError."""
    known: dict[str, SessionKey] = {}
    for key in fleet.sessions:
        row = index.row(key.session)
        known[key.session] = row.key if row is not None else key  # of two servers the one that knows it best
    if name in known:
        return known[name]
    alike = [key for session, key in known.items() if name and session.startswith(name)]
    if not alike:
        raise NotFoundError(f"there is no session {name!r}; `opencode-tray status` shows what is there")
    if len(alike) > 1:
        told = ", ".join(key.session for key in alike[:MOST_NAMED])
        raise NotFoundError(f"{len(alike)} sessions begin with {name!r}: {told}; give more of the id")
    return alike[0]


def find_request(fleet: Fleet, index: SessionIndex, name: str) -> RequestKey:
    """The request with this id, or whose id alone begins so. Raises NotFoundError.

    A whole id that nothing waits under is returned all the same: it may have been answered a moment ago. And what is
    the beginning of such an id as well may mean that one: it is ambiguous.
    """
    waiting = [RequestKey(row.server.id, request.id) for row in index.rows() for request in row.requests]
    closed = [RequestKey(server, request) for server in fleet.servers for request in fleet.closed(server)]
    whole = [key for key in waiting if key.request == name] or [key for key in closed if key.request == name]
    if len(whole) > 1:
        raise NotFoundError(f"{len(whole)} servers tell of a request {name!r}; answer it where it is shown")
    if whole:
        return whole[0]
    waiting, closed = _beginning(waiting, name), _beginning(closed, name)
    if len(waiting) + len(closed) == 1:
        return (*waiting, *closed)[0]
    told = ", ".join(key.request for key in waiting[:MOST_NAMED])
    if len(waiting) > 1:
        raise NotFoundError(f"{len(waiting)} requests that wait begin with {name!r}: {told}; give more of the id")
    if waiting:
        raise NotFoundError(
            f"{name!r} can be {told}, which waits, or one that was answered just now; give the whole id: {told}"
        )
    if closed:
        raise NotFoundError(
            f"no request that begins with {name!r} waits any more: {len(closed)} were answered just now"
        )
    raise NotFoundError(f"there is no request {name!r}; `opencode-tray status` shows what waits")


def _beginning(keys: list[RequestKey], name: str) -> list[RequestKey]:
    return [key for key in keys if name and key.request.startswith(name)]
