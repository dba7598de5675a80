"""What one session waits for: pure functions from a session to the next one."""

from __future__ import annotations

from collections.abc import Callable, Collection

from msgspec.structs import replace

from tray.core.answers import asks_the_same
from tray.core.model import Request, RequestKind, Session


def asked(session: Session, request: Request, most: int, at: int) -> Session:
    """It waits with this request as well, unless it has `most` already; one that is said again is not another one."""
    known = next((one for one in session.requests if one.id == request.id), None)
    if known is not None:
        return changed(session, request.id, lambda _: _told_again(known, request))
    if len(session.requests) >= most:
        return session
    new = request if request.asked_at else replace(request, asked_at=at)
    return replace(session, requests=(*session.requests, new))


def _told_again(known: Request, told: Request) -> Request:
    """OpenCode 1.1 tells the command of a permission late. The draft of an answer to something else goes."""
    if told.complete < known.complete:
        return known
    return replace(
        told,
        session=known.session,
        asked_at=known.asked_at,
        sending=known.sending,
        refusal=known.refusal,
        draft=known.draft if asks_the_same(known, told) else (),
    )


def closed(session: Session, request_id: str) -> Session:
    """It does not wait with this request any more."""
    return _with(session, tuple(one for one in session.requests if one.id != request_id))


def only(session: Session, kind: RequestKind, listed: Collection[str]) -> Session:
    """Of the requests of this kind it waits with those alone that are listed."""
    return _with(session, tuple(r for r in session.requests if r.kind is not kind or r.id in listed))


def changed(session: Session, request_id: str, change: Callable[[Request], Request]) -> Session:
    """The same session with one of its requests changed."""
    return replace(session, requests=tuple(change(r) if r.id == request_id else r for r in session.requests))


def _with(session: Session, left: tuple[Request, ...]) -> Session:
    """The session itself where none has gone: most of a server's sessions wait for nobody."""
    return session if len(left) == len(session.requests) else replace(session, requests=left)
