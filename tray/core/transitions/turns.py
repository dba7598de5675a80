"""How a turn begins, goes on and ends.

The order of OpenCode's events differs by version. When the user stops a turn, OpenCode 1.18 sends error and then idle,
1.1 sends idle, error and idle, and 1.0 sends idle and then error. A stop during a provider's retry is only an idle in
1.18. A stop before the model answers is reported by the message alone, before the idle. Three rules follow: an error
stays through the idle after it, a late abort replaces a completion, and a turn counts as completed only if its last
assistant message finished.
"""

from __future__ import annotations

from msgspec.structs import replace

from tray.core.opencode_ids import is_inherited
from tray.core.sessions import Activity, Failure, Outcome, Retry, Session

FINISH_TOOL_CALLS = "tool-calls"  # the model asked for tools: a turn that ends here was cut off by a rejection


def with_activity(session: Session, activity: Activity, retry: Retry | None, at: int) -> Session:
    """Begin, continue or end a turn at time `at` (ms)."""
    if activity is Activity.IDLE:
        return _ended(session, at) if session.activity is not Activity.IDLE else session
    begins = session.activity is Activity.IDLE
    return replace(
        session,
        activity=activity,
        retry=retry,
        failure=None,
        outcome=Outcome.NONE,
        turn_started=at if begins else session.turn_started,
        turn_ended=0,
    )


def with_failure(session: Session, failure: Failure, at: int) -> Session:
    """Record how the turn failed. An abort by the user is not a failure and replaces a completion."""
    if failure.aborted:
        return replace(session, outcome=Outcome.ABORTED, failure=None)
    ended = at if session.activity is Activity.IDLE else session.turn_ended
    return replace(session, failure=failure, outcome=Outcome.NONE, turn_ended=ended)


def with_late_end(before: Session, after: Session) -> Session:
    """Complete a turn whose last message ends after the turn: a network may change the order of frames."""
    is_open = after.activity is Activity.IDLE and after.turn_ended > 0 and after.outcome is Outcome.NONE
    if is_open and after.failure is None and not after.is_child and _is_finished(after) and not _is_finished(before):
        return replace(after, outcome=Outcome.COMPLETED)
    return after


def marked_seen(session: Session) -> Session:
    """Clear an error or a finished turn that the user has seen."""
    outcome = Outcome.NONE if session.outcome is Outcome.COMPLETED else session.outcome
    return replace(session, failure=None, outcome=outcome)


def _ended(session: Session, at: int) -> Session:
    completed = session.last.completed if session.last is not None else 0
    ended = completed if session.turn_started <= completed <= at else at  # the end may be old after a lost connection
    outcome = session.outcome
    if outcome is Outcome.NONE and session.failure is None and not session.is_child and _is_finished(session):
        outcome = Outcome.COMPLETED
    return replace(
        session,
        activity=Activity.IDLE,
        retry=None,
        outcome=outcome,
        tool="",
        turn_started=0,
        turn_ended=ended,
        turn_length=max(0, ended - session.turn_started) if session.turn_started else 0,
    )


def _is_finished(session: Session) -> bool:
    last = session.last
    if last is None or last.error or last.id < session.prompt or is_inherited(last):
        return False
    if last.finish:
        return last.finish != FINISH_TOOL_CALLS
    return last.completed > 0 and last.tokens.output > 0  # OpenCode 0.5 reports no `finish`
