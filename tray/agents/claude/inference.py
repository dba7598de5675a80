"""Infer the state of a Claude Code session from its registry entry and transcript. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from tray.agents.claude.hooks import HookPayload
from tray.agents.claude.registry import RegistryEntry
from tray.agents.claude.requests import asking_call, request_of
from tray.agents.claude.transcript import Transcript
from tray.agents.claude.usage import SessionUsage
from tray.core.events import Digest, SessionFacts, SnapshotTaken
from tray.core.messages import Message
from tray.core.numbers import moment
from tray.core.plan_limits import PlanLimit
from tray.core.sessions import Activity, RequestKind, Retry
from tray.core.transitions.turns import FINISH_TOOL_CALLS

WORKING, WAITING = "busy", "waiting"  # values of the registry's status; all others mean that no turn is running
DIALOG = "dialog open"  # the registry's `waitingFor` of a dialog about a tool, and of a menu that the user opened
END_TIME = 1_000  # ms after the end of a turn within which the transcript says how it ended
NEXT_TURN_TIME = 100  # ms after a turn within which the next one begins by itself: measured 2 to 24
TOOL_TIME = 300  # ms after a session began to wait within which the transcript names the tool
NAMED_BY = ("auto", "user")  # values of `nameSource` with which the name is a title


def snapshot(
    server_id: str,
    entry: RegistryEntry,
    transcript: Transcript,
    hook: HookPayload | None = None,
    *,
    usage: SessionUsage | None = None,
    plan_limits: tuple[PlanLimit, ...] = (),
    has_ended: bool = False,
) -> SnapshotTaken:
    """Return the state of a process's session.

    `hook` is the hook that waits for an answer together with the session's dialog. `usage` is what the session used
    if it has more files than its transcript. `has_ended`: the process ended, and `entry` is its last entry.
    """
    status = _last_status(entry, transcript) if has_ended else _current_status(entry, transcript, hook)
    is_busy = status in (WORKING, WAITING)
    retry = transcript.retry if is_busy else None
    request = request_of(entry, transcript, hook) if status == WAITING else None
    is_question = request is not None and request.kind is RequestKind.QUESTION
    return SnapshotTaken(
        server_id,
        sessions=(_facts(entry, transcript, usage or transcript.usage.alone, is_busy=is_busy),),
        activities={entry.session_id: (_activity(retry, is_busy=is_busy), retry)},
        permissions=(request,) if request is not None and not is_question else (),
        questions=(request,) if request is not None and is_question else (),
        branch=transcript.branch,
        plan_limits=plan_limits,
    )


def _activity(retry: Retry | None, *, is_busy: bool) -> Activity:
    if not is_busy:
        return Activity.IDLE
    return Activity.BUSY if retry is None else Activity.RETRY


def is_settling(entry: RegistryEntry, transcript: Transcript, now: int, hook: HookPayload | None = None) -> bool:
    """Whether the state at `now` (ms since the Unix epoch) is not final yet.

    The transcript may be behind the registry, and the next turn may begin at once.
    """
    age = now - entry.status_updated_at
    if entry.status == WORKING or age < 0:
        return False
    if entry.status == WAITING:
        return age < TOOL_TIME and entry.waiting_for != DIALOG and asking_call(entry, transcript, hook) is None
    if not transcript.prompted_at:
        return False
    return age < (NEXT_TURN_TIME if _turn_has_ended(transcript) else END_TIME)


def _current_status(entry: RegistryEntry, transcript: Transcript, hook: HookPayload | None) -> str:
    """Return the registry's status; for a menu that the user opened, the status without it."""
    is_menu = hook is None and asking_call(entry, transcript, None) is None
    if entry.status == WAITING and entry.waiting_for == DIALOG and is_menu:
        return WORKING if transcript.prompted_at and not _turn_has_ended(transcript) else ""
    return entry.status


def _last_status(entry: RegistryEntry, transcript: Transcript) -> str:
    """Return the status with which a process ended: working, unless its turn was over."""
    return WORKING if entry.status in (WORKING, WAITING) and not _turn_has_ended(transcript) else ""


def _turn_has_ended(transcript: Transcript) -> bool:
    """Whether the newest message of the agent answers the newest prompt and ends the turn."""
    last = transcript.last
    if last is None or last.completed < transcript.prompted_at:
        return False
    return bool(last.error) or last.finish not in ("", FINISH_TOOL_CALLS)


def _facts(entry: RegistryEntry, transcript: Transcript, usage: SessionUsage, *, is_busy: bool) -> SessionFacts:
    running = list(transcript.running.values())[-1:] if is_busy else []
    return SessionFacts(
        entry.session_id,
        title=transcript.title or (entry.name if entry.name_source in NAMED_BY else ""),
        directory=entry.cwd,
        created=moment(entry.started_at) or None,
        updated=moment(entry.status_updated_at) or None,
        digest=Digest(
            messages=transcript.messages,
            cost=usage.cost,
            tokens=usage.tokens,
            last=_last_message(transcript, is_busy=is_busy),
            output=transcript.output,
            prompt_text=transcript.prompt,
            tool=running[0].name if running else "",
            tool_since=running[0].called_at if running else 0,
            inherited_cost=usage.inherited_cost,
            inherited_tokens=usage.inherited_tokens,
        ),
    )


def _last_message(transcript: Transcript, *, is_busy: bool) -> Message | None:
    """Return the newest message, without its end if the turn goes on: its end is reported when the turn ends."""
    last = transcript.last
    if last is None or (last.completed >= transcript.prompted_at and not is_busy):
        return last
    return replace(last, finish="", error="", error_text="", completed=0)
