"""Tokens and cost since local midnight, summed from the fleet's changes.

A change counts by how much a session's sums have grown. Usage from before a session was seen counts only if the session
was created after the counting began; usage of unknown time does not count. A session that two servers report is counted
once, by its id. A removed session keeps its share.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from tray.core.events import Change, SessionChanged
from tray.core.model import DayUsage, Session, SessionUsage

SAME_DAY = 20 * 3600_000  # ms; no day is shorter than 23 h: day bounds that moved by less come from another time zone
DAYS_KEPT = 3  # a clock that jumps forth and back finds its day again


class Today(msgspec.Struct, frozen=True):
    """The sums of the day since `since`: local midnight or later (ms since the Unix epoch)."""

    sessions: int  # root sessions with any usage
    tokens: int
    cost: float
    since: int


class Usage:
    """Sums one local day after the other. The caller passes the start of the day. A change costs O(1)."""

    def __init__(self, at: int, day_start: int) -> None:
        """Counting begins at `at`, in the day that began at `day_start`."""
        self._day = DayUsage(day_start, max(at, day_start))
        self._days = {day_start: self._day}
        self._sessions = 0
        self._tokens = 0
        self._cost = 0.0
        self._unplaced: set[str] = set()  # cached on another day: the day of their later usage is not known

    @property
    def today(self) -> Today:
        """The sums of the day that was last passed to `apply`."""
        return Today(self._sessions, self._tokens, self._cost, self._day.since)

    @property
    def kept(self) -> DayUsage:
        """The state that a restart needs."""
        return replace(self._day, sessions=dict(self._day.sessions))

    def restore(self, kept: DayUsage | None, sessions: Iterable[Session]) -> None:
        """Continue the last run's day if it is today. `sessions` are the cached ones."""
        if kept is not None and kept.day_start == self._day.day_start:
            self._turn_to(replace(kept, sessions=dict(kept.sessions)))
        else:
            self._unplaced = {session.id for session in sessions}

    def apply(self, changes: Iterable[Change], at: int, day_start: int) -> None:
        """Count changes at `at` in the day that began at `day_start`. A new day starts at zero."""
        if day_start != self._day.day_start:
            self._day_changed(at, day_start)
        for change in changes:
            if isinstance(change, SessionChanged):
                self._count(change.before, change.after)

    def _day_changed(self, at: int, day_start: int) -> None:
        before = self._day
        del self._days[before.day_start]
        if abs(day_start - before.day_start) < SAME_DAY:
            self._turn_to(replace(before, day_start=day_start))
            return
        self._days[before.day_start] = before
        known = {name: replace(used, tokens=0, cost=0.0) for name, used in before.sessions.items() if used.tokens}
        began = max(before.since, day_start) if day_start > before.day_start else at
        there = self._days.pop(day_start) if day_start in self._days else DayUsage(day_start, began, known)
        self._turn_to(there)
        while len(self._days) > DAYS_KEPT:
            del self._days[next(iter(self._days))]

    def _turn_to(self, day: DayUsage) -> None:
        self._days[day.day_start] = self._day = day
        used = day.sessions.values()
        self._sessions = sum(1 for usage in used if usage.is_used_root)
        self._tokens = sum(usage.tokens for usage in used)
        self._cost = sum(usage.cost for usage in used)

    def _count(self, before: Session | None, after: Session) -> None:
        is_stale = before is not None and after.id in self._unplaced
        if before is not None:
            self._unplaced.discard(after.id)
            if _used(before) == _used(after) and before.parent == after.parent:
                return
        known = self._day.sessions.get(after.id)
        if known is None:
            is_new = before is None and after.created >= self._day.since
            known = SessionUsage(*((0, 0.0) if is_new else _used(before or after)))
        tokens, cost = _used(after)
        if before is not None and after.inherited_tokens != before.inherited_tokens:  # it counted as its own
            grown = (
                -min(known.tokens, max(0, before.tokens.total - tokens)),
                -min(known.cost, max(0.0, before.cost - cost)),
            )
        elif not is_stale and self._is_of_today(before, after):
            grown = max(0, tokens - known.seen_tokens), max(0.0, cost - known.seen_cost)
        else:
            grown = 0, 0.0
        self._put(after, known, before, *grown)

    def _put(self, after: Session, known: SessionUsage, before: Session | None, tokens: int, cost: float) -> None:
        seen = _used(after)
        if before is None or before.tokens.total < known.seen_tokens:  # this server lags behind another one
            seen = max(seen[0], known.seen_tokens), max(seen[1], known.seen_cost)
        used = SessionUsage(*seen, known.tokens + tokens, known.cost + cost, is_root=after.parent is None)
        self._sessions += used.is_used_root - (after.id in self._day.sessions and known.is_used_root)
        self._day.sessions[after.id] = used
        self._tokens += tokens
        self._cost += cost

    def _is_of_today(self, before: Session | None, after: Session) -> bool:
        """Whether the growth was used since the counting began."""
        if after.created >= self._day.since:
            return True
        if before is None:
            return False
        if after.counted:
            return before.counted  # else the sums of its whole life are reported at once
        return after.messages - before.messages <= 1  # else old and new messages were read at once


def _used(session: Session) -> tuple[int, float]:
    return session.tokens.total, session.cost
