"""When the user last answered or prompted in a session."""

from __future__ import annotations

from msgspec.structs import replace

from tray.core.sessions import Activity, Session

AUTO_ANSWERED_WITHIN = 1_000  # ms; a rule of OpenCode answers a request within this time, a user does not


def with_answer(session: Session, request_id: str, at: int) -> Session:
    """Record an answer at `at` (ms), unless a rule gave it: it came too fast for a user and was not sent from here."""
    request = next((request for request in session.requests if request.id == request_id), None)
    if request is None or not (request.sending or at - request.asked_at >= AUTO_ANSWERED_WITHIN):
        return session
    return replace(session, user_acted_at=at)


def with_prompt(before: Session, after: Session, at: int) -> Session:
    """Record a prompt for a working agent. `after` is the session with the message that was reported at `at` (ms).

    Only a prompt newer than the message that the agent writes counts: OpenCode may repeat the prompt that began the
    turn. Prompts between two messages are OpenCode's own (compaction), and those of a subagent are its parent's.
    """
    writing = before.last if before.activity is not Activity.IDLE and not before.is_child else None
    if writing is None or writing.completed or after.prompt <= max(before.prompt, writing.id):
        return after
    return replace(after, user_acted_at=at)
