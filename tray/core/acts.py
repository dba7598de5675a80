"""When the person themselves last did something in a session. Pure functions from a session to the next one."""

from __future__ import annotations

from msgspec.structs import replace

from tray.core.model import Activity, Session

BY_A_RULE = 1_000  # ms; an ask that is answered within this time is answered by a rule, not by a person


def answered(session: Session, request_id: str, at: int) -> Session:
    """This request was answered at `at`: by the person, unless it was too fast for one and is not sent from here."""
    request = next((one for one in session.requests if one.id == request_id), None)
    if request is None or not (request.sending or at - request.asked_at >= BY_A_RULE):
        return session
    return replace(session, acted_at=at)


def prompted(before: Session, after: Session, at: int) -> Session:
    """A message was reported at `at` that makes `after` of `before`: note it if it is a prompt for the agent at work.

    Only a prompt newer than the message that the agent is writing is one: that which began the turn may be told again.
    Between two messages OpenCode itself prompts, to have them summed up and to go on; for a subagent its parent does.
    """
    writing = before.last if before.activity is not Activity.IDLE and not before.is_child else None
    if writing is None or writing.completed or after.prompt <= max(before.prompt, writing.id):
        return after
    return replace(after, acted_at=at)
