"""Records when the person last answered or prompted in a session. Pure functions from a session to the next one."""

from __future__ import annotations

from msgspec.structs import replace

from tray.core.model import Activity, Session

AUTO_ANSWERED_WITHIN = 1_000  # ms; a rule of OpenCode answers a request within this time, a person does not


def answered(session: Session, request_id: str, at: int) -> Session:
    """Record an answer at `at`, unless a rule gave it: it came too fast for a person and was not sent from here."""
    request = next((one for one in session.requests if one.id == request_id), None)
    if request is None or not (request.sending or at - request.asked_at >= AUTO_ANSWERED_WITHIN):
        return session
    return replace(session, user_acted_at=at)


def prompted(before: Session, after: Session, at: int) -> Session:
    """Record a prompt for a working agent. `after` is the session with the message that was reported at `at`.

    Only a prompt newer than the message that the agent writes counts: OpenCode may repeat the prompt that began the
    turn. Prompts between two messages are OpenCode's own (compaction), and those of a subagent are its parent's.
    """
    writing = before.last if before.activity is not Activity.IDLE and not before.is_child else None
    if writing is None or writing.completed or after.prompt <= max(before.prompt, writing.id):
        return after
    return replace(after, user_acted_at=at)
