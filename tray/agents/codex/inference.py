"""The state of Codex' threads, from what its daemon says and from their rollouts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from tray.agents.codex.asked import Asked
from tray.agents.codex.rollout import Rollout
from tray.agents.transcripts import ABORTED
from tray.core.events import Digest, SessionFacts, SnapshotTaken
from tray.core.messages import Message
from tray.core.plan_limits import PlanLimit
from tray.core.sessions import Activity, Request, RequestKind

END_TIME = 1_000  # ms after the end of a turn within which the rollout says how it ended; measured: 2


class ThreadState(msgspec.Struct, frozen=True):
    """A thread. Times are in ms since the Unix epoch."""

    id: str
    directory: str
    rollout: Rollout
    is_active: bool  # whether a turn is running
    title: str = ""
    parent: str = ""
    created: int = 0
    updated: int = 0
    asked: tuple[Asked, ...] = ()


def snapshot(server_id: str, threads: Sequence[ThreadState]) -> SnapshotTaken:
    """Return the state of the threads in one directory."""
    requests = [item.request for thread in threads for item in thread.asked]
    return SnapshotTaken(
        server_id,
        sessions=tuple(map(_facts, threads)),
        activities={thread.id: (Activity.BUSY if thread.is_active else Activity.IDLE, None) for thread in threads},
        permissions=_of_kind(requests, RequestKind.PERMISSION),
        questions=_of_kind(requests, RequestKind.QUESTION),
        limits=_limits(threads),
        plan_limits=_plan_limits(threads),
    )


def is_settling(rollout: Rollout, *, is_active: bool, idle_since: int, now: int) -> bool:
    """Whether a thread is idle, but its rollout does not say yet how the turn ended."""
    return not is_active and rollout.turn_started > 0 and 0 <= now - idle_since < END_TIME


def newly_aborted(before: SnapshotTaken | None, after: SnapshotTaken) -> list[str]:
    """Return the ids of the threads whose turn the user stopped between two snapshots."""
    known = {facts.id: _end(facts) for facts in (before.sessions if before is not None else None) or ()}
    ends = {facts.id: _end(facts) for facts in after.sessions or ()}
    changed = {thread_id: end for thread_id, end in ends.items() if known.get(thread_id, end) != end}
    return [thread_id for thread_id, end in changed.items() if end is not None and end.error == ABORTED]


def _end(facts: SessionFacts) -> Message | None:
    return facts.digest.last if facts.digest is not None else None


def _of_kind(requests: Sequence[Request], kind: RequestKind) -> tuple[Request, ...]:
    return tuple(request for request in requests if request.kind is kind)


def _limits(threads: Sequence[ThreadState]) -> Mapping[str, int]:
    rollouts = [thread.rollout for thread in threads]
    return {rollout.model: rollout.context_size for rollout in rollouts if rollout.model and rollout.context_size}


def _plan_limits(threads: Sequence[ThreadState]) -> tuple[PlanLimit, ...] | None:
    """Return the limits that were reported last, to any thread: they are those of the user. None if there are none."""
    rollouts = [thread.rollout for thread in threads if thread.rollout.plan_limits]
    return max(rollouts, key=lambda rollout: rollout.limits_at).plan_limits if rollouts else None


def _facts(thread: ThreadState) -> SessionFacts:
    rollout = thread.rollout
    running = list(rollout.running.values())[-1:] if thread.is_active else []
    return SessionFacts(
        thread.id,
        parent=thread.parent or None,
        title=thread.title or rollout.first_prompt,
        directory=thread.directory,
        model=rollout.model or None,
        created=thread.created or None,
        updated=thread.updated or None,
        digest=Digest(
            messages=rollout.messages,
            cost=0.0,
            tokens=rollout.tokens,
            last=_last_message(rollout, is_active=thread.is_active),
            output=rollout.output,
            prompt_text=rollout.prompt,
            tool=running[0].name if running else "",
            tool_since=running[0].called_at if running else 0,
        ),
    )


def _last_message(rollout: Rollout, *, is_active: bool) -> Message | None:
    """Return the newest message, without its end while a turn is running: its end is reported when the turn ends."""
    last = rollout.last
    if last is None or not is_active:
        return last
    return replace(last, finish="", error="", error_text="", completed=0)
