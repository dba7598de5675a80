"""Tokens and cost of one session. A fork begins with copies of its parent's messages: their cost is `inherited`."""

from __future__ import annotations

from msgspec.structs import replace

from tray.core.messages import Tokens
from tray.core.sessions import Session


def with_reported_usage(session: Session, cost: float | None, tokens: Tokens | None) -> Session:
    """Apply OpenCode's own sums, which include what was inherited. None: not reported."""
    return replace(
        session,
        counted=True,
        cost=session.cost if cost is None else own_cost(cost, session.inherited_cost),
        tokens=session.tokens if tokens is None else tokens.without(session.inherited_tokens),
    )


def with_inherited_usage(session: Session, cost: float, tokens: Tokens) -> Session:
    """Set what was inherited, and correct OpenCode's own sums, which include it."""
    if (cost, tokens) == (session.inherited_cost, session.inherited_tokens):
        return session
    after = replace(session, inherited_cost=cost, inherited_tokens=tokens)
    if not session.counted:
        return after
    return with_reported_usage(after, session.cost + session.inherited_cost, session.tokens + session.inherited_tokens)


def own_cost(reported: float, inherited: float) -> float:
    """Return OpenCode's sum without what was inherited, in US dollars.

    The result is rounded: two sums of the same prices may differ in their last digits.
    """
    return max(0.0, round(reported - inherited, 9)) if inherited else reported
