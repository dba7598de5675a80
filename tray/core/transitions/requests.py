"""The pending requests of one session."""

from __future__ import annotations

from collections.abc import Callable, Collection

from msgspec.structs import replace

from tray.core.answers import asks_the_same
from tray.core.sessions import Request, RequestKind, Session


def with_request(session: Session, request: Request, limit: int, at: int) -> Session:
    """Add a pending request, or update the one with its id. A session that has `limit` requests takes no more."""
    known = next((pending for pending in session.requests if pending.id == request.id), None)
    if known is not None:
        return with_changed_request(session, request.id, lambda _: _updated(known, request))
    if len(session.requests) >= limit:
        return session
    new = request if request.asked_at else replace(request, asked_at=at)
    return replace(session, requests=(*session.requests, new))


def without_request(session: Session, request_id: str) -> Session:
    """Remove a request."""
    return _with_requests(session, tuple(request for request in session.requests if request.id != request_id))


def with_only_requests(session: Session, kind: RequestKind, ids: Collection[str]) -> Session:
    """Remove the requests of this kind whose ids are not listed."""
    kept = tuple(request for request in session.requests if request.kind is not kind or request.id in ids)
    return _with_requests(session, kept)


def with_changed_request(session: Session, request_id: str, change: Callable[[Request], Request]) -> Session:
    """Replace one request by what `change` makes of it."""
    requests = tuple(change(request) if request.id == request_id else request for request in session.requests)
    return replace(session, requests=requests)


def _updated(known: Request, reported: Request) -> Request:
    """OpenCode 1.1 reports the command of a permission late. A draft answer to something else is dropped."""
    if reported.complete < known.complete:
        return known
    return replace(
        reported,
        session=known.session,
        asked_at=known.asked_at,
        sending=known.sending,
        refusal=known.refusal,
        draft=known.draft if asks_the_same(known, reported) else (),
    )


def _with_requests(session: Session, requests: tuple[Request, ...]) -> Session:
    """Return the same object where nothing was removed: most sessions of a server have no pending requests."""
    return session if len(requests) == len(session.requests) else replace(session, requests=requests)
