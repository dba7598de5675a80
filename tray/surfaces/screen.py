"""When a view is made: at once after a pause, and never so often that views take more than half a core."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from tray.core.events import Change, SessionChanged
from tray.surfaces.view import TrayView

# How soon after the last view a change is shown, in s; the first one after a pause is shown at once.
STATE_PACE, WORDS_PACE, DETAILS_PACE = 0.0, 0.1, 2.0
PAUSE_AFTER_VIEW = 1  # times what the last view cost


class Screen:
    """Shows every view that differs from the last one. Lives on the loop's thread."""

    def __init__(self, view: Callable[[], TrayView]) -> None:
        self._view = view
        self._show: Callable[[TrayView], None] | None = None
        self._shown: TrayView | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._shown_at = 0.0  # s, of the loop's clock
        self._cost = 0.0  # s that the last view took

    def show_on(self, show: Callable[[TrayView], None]) -> None:
        """From now on give every new view to `show`, this moment's first."""
        self._show = show
        self.refresh()

    def changed(self, changes: Iterable[Change]) -> None:
        """Show these as soon as the most urgent of them deserves."""
        self._refresh_in(min(map(_pace, changes)))

    def refresh(self) -> None:
        """Show what is true now, as soon as the last view has been paid for."""
        self._refresh_in(STATE_PACE)

    def close(self) -> None:
        """Show nothing more."""
        self._show = None
        if self._timer is not None:
            self._timer.cancel()

    def _refresh_in(self, pause: float) -> None:
        if self._show is None:
            return
        loop = asyncio.get_running_loop()
        due = max(loop.time(), self._shown_at + max(pause, PAUSE_AFTER_VIEW * self._cost))
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = loop.call_at(due, self._refresh)

    def _refresh(self) -> None:
        self._timer = None
        begun = time.perf_counter()
        view = self._view()
        if self._show is not None and view != self._shown:
            self._shown = view
            self._show(view)
        self._cost = time.perf_counter() - begun
        self._shown_at = asyncio.get_running_loop().time()


def _pace(change: Change) -> float:
    """How soon a change is worth a new view: what a session does, at once; its words soon; its details now and then."""
    if not isinstance(change, SessionChanged) or change.before is None:
        return STATE_PACE
    before, after = change.before, change.after
    if (before.status, before.requests) != (after.status, after.requests):
        return STATE_PACE
    words = (before.title, before.parent, before.tool, before.failure, before.retry)
    return WORDS_PACE if words != (after.title, after.parent, after.tool, after.failure, after.retry) else DETAILS_PACE
