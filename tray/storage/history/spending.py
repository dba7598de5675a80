"""Read from the history what budgets need."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tray.core.budgets import KINDS, RECENT_DAYS, Budget
from tray.storage.history.usage import open_for_reading

_SPENT = """SELECT day, SUM({money}) FROM daily
    JOIN place ON place.id = daily.place JOIN model ON model.id = daily.model
    WHERE day BETWEEN :first AND :last AND (:model = '' OR model.name = :model)
    AND (:project = '' OR directory = :project OR substr(directory, 1, length(:project) + 1) = :project || '/')
    GROUP BY day"""


def spent_by_day(path: Path, budget: Budget, first: int, last: int) -> dict[int, int]:
    """Return what counts for a budget on each day with usage, in micro-dollars. Days are since 1970-01-01.

    Raises sqlite3.Error.
    """
    connection = open_for_reading(path)
    if connection is None:
        return {}
    query = _SPENT.format(money=next(kind for kind in KINDS if kind == budget.money))
    parameters = {"first": first, "last": last, "model": budget.model, "project": budget.project.rstrip("/")}
    with closing(connection):
        return dict(connection.execute(query, parameters))


def spent(path: Path, budget: Budget, start: int, today: int) -> tuple[int, list[int]]:
    """Return what was spent since a day, and on each of the RECENT_DAYS before today, the newest first."""
    by_day = spent_by_day(path, budget, min(start, today - RECENT_DAYS), today)
    total = sum(amount for day, amount in by_day.items() if day >= start)
    return total, [by_day.get(today - number, 0) for number in range(1, RECENT_DAYS + 1)]


def notified(path: Path) -> set[tuple[str, int, int]]:
    """Return budget, first day of the period and threshold of each notice. Raises sqlite3.Error."""
    connection = open_for_reading(path)
    if connection is None:
        return set()
    with closing(connection):
        return set(connection.execute("SELECT budget, start, threshold FROM budget_notice"))
