"""Notifies of turns that cost much or work long."""

from __future__ import annotations

from collections.abc import Callable

from tray.app.state import AppState
from tray.core.runaway import RunawayTurns, TurnLimits
from tray.core.settings import NOTIFY, TURN_COST, TURN_MINUTES
from tray.surfaces.session_text import title

MINUTE = 60_000  # ms


class TurnWatch:
    """Looks at the running turns at each call of `check`."""

    def __init__(self, state: AppState, show: Callable[[str, str], None]) -> None:
        """`show` shows title and text in a notification."""
        self._state = state
        self._show = show
        self._turns = RunawayTurns()

    def check(self) -> None:
        """Notify of each turn that is beyond a limit of the settings, once."""
        settings = self._state.settings()
        limits = TurnLimits(settings[TURN_COST], settings[TURN_MINUTES] * MINUTE)
        for row, text in self._turns.notices(self._state.index.rows(), limits, self._state.now()):
            if settings[NOTIFY] and not row.muted:
                self._show(title(row.session), text)
