"""Turns that cost much or last long: the user is notified once for each. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tray.core.session_index import SessionRow
from tray.core.sessions import Status
from tray.core.text import age

WORKING = (Status.BUSY, Status.RETRY)


class TurnLimits(NamedTuple):
    """When a turn is noticed. 0: never."""

    dollars: float = 0.0
    milliseconds: int = 0


class _Turn(NamedTuple):
    started: int
    cost: float  # of the session when the turn was seen first, in US dollars
    is_noticed: bool = False


class RunawayTurns:
    """Watches the turns of root sessions, with the work of their subagents."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}  # by session id

    def notices(self, rows: Iterable[SessionRow], limits: TurnLimits, at: int) -> list[tuple[SessionRow, str]]:
        """Return the sessions with a turn beyond a limit at time `at` (ms), each once, and what is beyond."""
        found, running = [], {}
        for row in rows:
            started = row.session.turn_started
            if not started or not row.server.live or row.server.is_watched:
                continue
            turn = self._turns.get(row.session.id)
            if turn is None or turn.started != started:
                turn = _Turn(started, row.cost)
            text = "" if turn.is_noticed else _beyond(row, turn, limits, at)
            if text:
                found.append((row, text))
                turn = turn._replace(is_noticed=True)
            running[row.session.id] = turn
        self._turns = running
        return found


def _beyond(row: SessionRow, turn: _Turn, limits: TurnLimits, at: int) -> str:
    cost = row.cost - turn.cost
    if limits.dollars and cost > limits.dollars:
        return f"This turn has cost ${cost:.2f} so far"
    length = at - max(turn.started, row.user_acted_at)
    if limits.milliseconds and row.status in WORKING and length > limits.milliseconds:
        return f"This turn has been working for {age(length)}"
    return ""
