"""Infer the state of a Copilot CLI session from its events. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from tray.agents.copilot.events import Events
from tray.agents.copilot.open_sessions import OpenSession
from tray.agents.copilot.requests import permissions_of, questions_of
from tray.core.events import Digest, SessionFacts, SnapshotTaken
from tray.core.messages import Message
from tray.core.sessions import Activity
from tray.core.transitions.turns import FINISH_TOOL_CALLS

END_TIME = 1_000  # ms within which the next turn begins or an error is written: measured 1 to 160
NEXT_TURN_TIME = 100  # ms after a finished turn within which the next one begins by itself
AUTOMATIC_TIME = 100  # ms within which Copilot CLI answers a permission by itself: measured 3


def snapshot(server_id: str, session: OpenSession, events: Events, *, has_ended: bool = False) -> SnapshotTaken:
    """Return the state of a session. `has_ended`: its process has ended."""
    return SnapshotTaken(
        server_id,
        sessions=(_facts(session, events),),
        activities={session.id: (Activity.BUSY if events.is_busy else Activity.IDLE, None)},
        permissions=() if has_ended else permissions_of(session.id, events),
        questions=() if has_ended else questions_of(session.id, events),
        branch=events.branch,
    )


def is_settling(events: Events, now: int) -> bool:
    """Whether the state at `now` (ms since the Unix epoch) is not final yet."""
    if any(0 <= now - permission.asked_at < AUTOMATIC_TIME for permission in events.permissions.values()):
        return True
    if events.is_busy or not events.prompted_at:
        return False
    return 0 <= now - events.changed_at < (NEXT_TURN_TIME if _turn_has_ended(events) else END_TIME)


def _turn_has_ended(events: Events) -> bool:
    """Whether the newest message ends the newest turn. A subagent in the background leads to another turn."""
    last = events.last
    if last is None or last.completed < max(events.prompted_at, events.subagent_ended_at):
        return False
    return bool(last.error) or last.finish != FINISH_TOOL_CALLS


def _facts(session: OpenSession, events: Events) -> SessionFacts:
    running = list(events.running.values())[-1:] if events.is_busy else []
    return SessionFacts(
        session.id,
        title=session.name or events.first_prompt,
        directory=session.directory or events.directory,
        created=events.created or int(session.opened * 1000),
        updated=events.changed_at or None,
        digest=Digest(
            messages=events.messages,
            cost=0.0,
            tokens=events.tokens,
            last=_last_message(events),
            output=events.output,
            prompt_text=events.prompt,
            tool=running[0].name if running else "",
            tool_since=running[0].called_at if running else 0,
        ),
    )


def _last_message(events: Events) -> Message | None:
    """Return the newest message, without its end while a turn is running: its end is reported when the turn ends."""
    last = events.last
    if last is None or (last.completed >= events.prompted_at and not events.is_busy):
        return last
    return replace(last, finish="", error="", error_text="", completed=0)
