"""Who needs a person: the sums over all rows, and who is next."""

from __future__ import annotations

import msgspec

from tray.core.model import Status
from tray.core.session_index import SessionIndex, SessionRow


class Summary(msgspec.Struct, frozen=True):
    """The sums that the icon and the tooltip show. Muted sessions count in `muted` alone."""

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
        """One line, worst first: "2 need you · 3 working · 5 idle"."""
        parts = (
            (self.waiting, "needs you" if self.waiting == 1 else "need you"),
            (self.errors, "failed"),
            (self.busy, "working"),
            (self.completed, "finished"),
            (self.idle, "idle"),
            (self.disconnected, "disconnected"),
        )
        told = " · ".join(f"{count} {words}" for count, words in parts if count)
        return told or ("All muted" if self.muted else "No sessions")


def summarize(index: SessionIndex) -> Summary:
    """Sum the rows up: the worst status of those not muted, and how many there are of each kind."""
    told = {status: index.count(status) - index.muted(status) for status in Status}
    worst = min((status for status in Status if told[status]), key=lambda status: status.urgency, default=Status.IDLE)
    return Summary(
        status=Status.IDLE if worst is Status.ABORTED else worst,
        waiting=told[Status.WAITING_FOR_PERMISSION] + told[Status.WAITING_FOR_ANSWER],
        errors=told[Status.ERROR],
        busy=told[Status.BUSY] + told[Status.RETRY],
        completed=told[Status.COMPLETED],
        idle=told[Status.IDLE] + told[Status.ABORTED],
        disconnected=told[Status.DISCONNECTED],
        muted=index.muted_rows,
    )


_LINE = ((Status.WAITING_FOR_PERMISSION, Status.WAITING_FOR_ANSWER), (Status.ERROR,), (Status.COMPLETED,))


def next_waiting(index: SessionIndex) -> SessionRow | None:
    """Who is next: the longest-waiting root that needs a person, then errors, then finished turns. None: nobody."""
    for statuses in _LINE:
        heads = [row for status in statuses for row in _first_unmuted(index, status)]
        if heads:
            return min(heads, key=lambda row: (not row.server.verified, row.since))
    return None


def _first_unmuted(index: SessionIndex, status: Status) -> list[SessionRow]:
    """The first of those who have proven the token, or else of the others: whoever only says so comes last."""
    rows: list[SessionRow] = []
    for count in (index.muted(status) + 1, None):  # nearly always the first is one of the former
        rows = [row for row in index.oldest(status, count) if not row.muted]
        proven = [row for row in rows if row.server.verified]
        if proven:
            return proven[:1]
    return rows[:1]
