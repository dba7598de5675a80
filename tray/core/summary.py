"""The sums over all rows, and which session to open next."""

from __future__ import annotations

import msgspec

from tray.core.session_index import SessionIndex, SessionRow
from tray.core.sessions import Status


class Summary(msgspec.Struct, frozen=True):
    """The sums that the icon and the tooltip show. Muted sessions count only in `muted`."""

    status: Status
    waiting: int = 0
    errors: int = 0
    busy: int = 0
    completed: int = 0
    idle: int = 0
    disconnected: int = 0
    muted: int = 0

    @property
    def tooltip(self) -> str:
        """One line, the most urgent state first: "2 need you · 3 working · 5 idle"."""
        parts = (
            (self.waiting, "needs you" if self.waiting == 1 else "need you"),
            (self.errors, "failed"),
            (self.busy, "working"),
            (self.completed, "finished"),
            (self.idle, "idle"),
            (self.disconnected, "disconnected"),
        )
        text = " · ".join(f"{count} {words}" for count, words in parts if count)
        return text or ("All muted" if self.muted else "No sessions")


def summarize(index: SessionIndex) -> Summary:
    """Return the most urgent state of the rows that are not muted, and their number by state."""
    counts = {status: index.count(status) - index.muted(status) for status in Status}
    worst = min((status for status in Status if counts[status]), key=lambda status: status.urgency, default=Status.IDLE)
    return Summary(
        status=Status.IDLE if worst is Status.ABORTED else worst,
        waiting=counts[Status.WAITING_FOR_PERMISSION] + counts[Status.WAITING_FOR_ANSWER],
        errors=counts[Status.ERROR],
        busy=counts[Status.BUSY] + counts[Status.RETRY],
        completed=counts[Status.COMPLETED],
        idle=counts[Status.IDLE] + counts[Status.ABORTED],
        disconnected=counts[Status.DISCONNECTED],
        muted=index.muted_rows,
    )


_ORDER = ((Status.WAITING_FOR_PERMISSION, Status.WAITING_FOR_ANSWER), (Status.ERROR,), (Status.COMPLETED,))


def next_waiting(index: SessionIndex) -> SessionRow | None:
    """Return the root session that has waited longest; without one the oldest error, then the oldest finished turn."""
    for statuses in _ORDER:
        candidates = [row for status in statuses for row in _first_unmuted(index, status)]
        if candidates:
            return min(candidates, key=lambda row: (not row.server.verified, row.since))
    return None


def _first_unmuted(index: SessionIndex, status: Status) -> list[SessionRow]:
    """Return the oldest unmuted row, preferring servers that have proved the token."""
    rows: list[SessionRow] = []
    for count in (index.muted(status) + 1, None):  # the first attempt nearly always finds a verified row
        rows = [row for row in index.oldest(status, count) if not row.muted]
        verified = [row for row in rows if row.server.verified]
        if verified:
            return verified[:1]
    return rows[:1]
