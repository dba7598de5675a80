"""Check the sessions that another tray publishes. Their types are checked when they are decoded."""

from __future__ import annotations

from collections.abc import Iterable

from tray.core.sessions import Session
from tray.core.timestamps import LATEST
from tray.sources.team.sealing import UnsealError

MAX_ID = 256  # characters
_NUMBERS = (
    "created", "updated", "status_since", "turn_started", "turn_ended", "turn_length", "tool_since", "user_acted_at",
    "last_activity_at", "context_tokens", "messages", "additions", "deletions", "files",
)  # fmt: skip


def check_sessions(sessions: Iterable[Session]) -> None:
    """Raise UnsealError if an ID is too long, or a number cannot be a time or a count."""
    for session in sessions:
        if not 0 < len(session.id) <= MAX_ID:
            raise UnsealError("the ID of a session is empty or too long")
        numbers = [getattr(session, name) for name in _NUMBERS]
        numbers += [request.asked_at for request in session.requests]
        if session.retry is not None:
            numbers.append(session.retry.next_at)
        if not all(0 <= number < LATEST for number in numbers):
            raise UnsealError("a number of a session cannot be true")
