"""Notifies when a budget reaches a threshold, once in each period, also over a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tray.core.budgets import Budget, forecast, notice, reached
from tray.core.history import BudgetNotice, HistoryRecord
from tray.storage.history.spending import notified, spent
from tray.system.local_day import period_of


class _Found(NamedTuple):
    """A budget with thresholds of which the user was not notified."""

    budget: Budget
    notices: tuple[BudgetNotice, ...]
    spent: int  # micro-dollars
    expected: int  # micro-dollars, at the end of the period


class BudgetWatch:
    """Compares the history with the budgets."""

    def __init__(self, path: Path, show: Callable[[str, str], None]) -> None:
        """`show` shows title and text in a notification."""
        self._path = path
        self._show = show
        self._notified: set[tuple[str, int, int]] | None = None  # None: not read yet

    async def check(self, budgets: Sequence[Budget], day: int, store: Callable[[list[HistoryRecord]], None]) -> None:
        """Notify of each budget that has reached a threshold on a day (since 1970-01-01). Raises sqlite3.Error."""
        if not budgets:
            return
        if self._notified is None:
            self._notified = await asyncio.to_thread(notified, self._path)
        for found in await asyncio.to_thread(_find, self._path, list(budgets), day, frozenset(self._notified)):
            store(list(found.notices))
            self._notified |= {(item.budget, item.start, item.threshold) for item in found.notices}
            self._show(*notice(found.budget, found.spent, found.expected))


def _find(path: Path, budgets: list[Budget], day: int, known: frozenset[tuple[str, int, int]]) -> list[_Found]:
    results = []
    for budget in budgets:
        first, last = period_of(budget.period, day)
        total, recent = spent(path, budget, first, day)
        thresholds = (each for each in reached(budget, total) if (budget.key, first, each) not in known)
        notices = tuple(BudgetNotice(budget.key, first, threshold) for threshold in thresholds)
        if notices:
            results.append(_Found(budget, notices, total, forecast(total, recent, last - day)))
    return results
