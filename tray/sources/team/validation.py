"""Check what another tray publishes. Its types are checked when it is decoded."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import astuple

from tray.core.sessions import Session
from tray.core.team import SharedServer
from tray.core.timestamps import LATEST
from tray.sources.team.sealing import UnsealError

MAX_ID = 256  # characters
MAX_TEXT = 20_000  # characters of a text, such as a path or the detail of a request
MAX_COST = 1e9  # USD
_NUMBERS = (
    "created", "updated", "status_since", "turn_started", "turn_ended", "turn_length", "tool_since", "user_acted_at",
    "last_activity_at", "context_tokens", "messages", "additions", "deletions", "files",
)  # fmt: skip


def check_servers(servers: Iterable[SharedServer]) -> None:
    """Raise UnsealError if an ID or a text is too long, or a number cannot be a time."""
    for server in servers:
        texts = server.name, server.host, server.directory, server.project, server.branch, server.repository
        if not 0 < len(server.id) <= MAX_ID or any(len(text) > MAX_TEXT for text in texts):
            raise UnsealError("a text of a server is empty or too long")
        if not 0 <= server.lost_at < LATEST:
            raise UnsealError("a number of a server cannot be true")


def check_sessions(sessions: Iterable[Session]) -> None:
    """Raise UnsealError if an ID or a text is too long, or a number cannot be a time, a count or a cost."""
    for session in sessions:
        ids = session.id, *(request.id for request in session.requests)
        texts = session.title, session.directory, *(request.detail for request in session.requests)
        if not all(0 < len(each) <= MAX_ID for each in ids) or any(len(text) > MAX_TEXT for text in texts):
            raise UnsealError("a text of a session is empty or too long")
        numbers = [getattr(session, name) for name in _NUMBERS]
        numbers += [*astuple(session.tokens), *astuple(session.inherited_tokens)]
        numbers += [request.asked_at for request in session.requests]
        if session.retry is not None:
            numbers += [session.retry.next_at, session.retry.attempt]
        is_possible = all(0 <= number < LATEST for number in numbers)
        if not is_possible or not all(0 <= cost < MAX_COST for cost in (session.cost, session.inherited_cost)):
            raise UnsealError("a number of a session cannot be true")
