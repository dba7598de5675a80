"""A session that another tray shows. What the user did with it here stays."""

from __future__ import annotations

from msgspec.structs import replace

from tray.core.answers import asks_the_same
from tray.core.sessions import Activity, Outcome, Request, Session


def with_copy(before: Session | None, copy: Session) -> Session:
    """Return the session as the other tray shows it, with the drafts, answers and dismissals from here."""
    if before is None:
        return copy
    known = {request.id: request for request in before.requests}
    after = replace(copy, requests=tuple(_with_own_part(known.get(request.id), request) for request in copy.requests))
    if before.activity is not Activity.IDLE or not copy.turn_ended or before.turn_ended != copy.turn_ended:
        return after
    was_seen = copy.outcome is Outcome.COMPLETED and before.outcome is Outcome.NONE
    was_dismissed = copy.failure is not None and before.failure is None
    return replace(
        after,
        outcome=Outcome.NONE if was_seen else copy.outcome,
        failure=None if was_dismissed else copy.failure,
    )


def _with_own_part(known: Request | None, request: Request) -> Request:
    if known is None or not asks_the_same(known, request):
        return request
    return replace(request, sending=known.sending, refusal=known.refusal, draft=known.draft)
