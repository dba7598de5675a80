"""Budgets: each threshold is noticed once in its period, and the forecast is that of the usual days."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tray.app.budget_watch import BudgetWatch
from tray.core.budgets import Budget, forecast, notice, parse_budgets, reached
from tray.core.history import HistoryRecord, SessionRecord, StepRecord
from tray.storage.history.database import open_history
from tray.storage.history.recorder import Recorder
from tray.system.local_day import date_of, number_of, period_of
from waiting import run

DOLLAR = 1_000_000
MONDAY = number_of(date(2026, 11, 23))


class Watch:
    """A history, and the notices of the budgets."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shown: list[str] = []
        self.recorder = Recorder(open_history(path)[0])
        self.restart()
        self._steps = 0

    def restart(self) -> None:
        self.watch = BudgetWatch(self.path, lambda title, text: self.shown.append(f"{title}\n{text}".strip()))

    def spend(self, day: int, *budgets: Budget, dollars: float, session: str = "ses", **fields: Any) -> list[str]:
        """Spend money on a day; return the new notices."""
        self._steps += 1
        money = {"reported": round(dollars * DOLLAR)}
        step = StepRecord(f"msg_{self._steps}", session, day * 86_400_000, day, **{**money, **fields})
        self.recorder.store([step])
        return self.check(day, budgets)

    def check(self, day: int, budgets: Iterable[Budget]) -> list[str]:
        self.shown.clear()
        run(self.watch.check(tuple(budgets), day, self.store))
        return list(self.shown)

    def store(self, records: list[HistoryRecord]) -> None:
        self.recorder.store(records)


@pytest.fixture
def watch(tmp_path: Path) -> Iterable[Watch]:
    made = Watch(tmp_path / "history.db")
    yield made
    made.recorder.close()


def test_each_threshold_is_noticed_once_in_its_period(watch: Watch) -> None:
    budget = Budget(1.0)
    assert watch.spend(MONDAY, budget, dollars=0.49) == []
    assert watch.spend(MONDAY, budget, dollars=0.01) == ["$0.50 of $1.00 used today (50 %)"]
    assert watch.spend(MONDAY, budget, dollars=0.01) == []
    watch.restart()
    assert watch.check(MONDAY, [budget]) == []
    assert watch.spend(MONDAY, budget, dollars=0.60) == ["$1.11 of $1.00 used today (111 %)"]  # for 80 % and 100 %
    assert watch.spend(MONDAY, budget, dollars=5) == []
    assert watch.spend(MONDAY + 1, budget, dollars=0.90)[0].startswith("$0.90 of $1.00 used today")


def test_a_higher_budget_notices_again(watch: Watch) -> None:
    assert len(watch.spend(MONDAY, Budget(1.0), dollars=1)) == 1
    assert watch.check(MONDAY, [Budget(10.0)]) == []
    assert watch.check(MONDAY, [Budget(2.0)]) == ["$1.00 of $2.00 used today (50 %)"]


def test_a_budget_counts_only_its_project_its_model_and_its_kind_of_money(watch: Watch) -> None:
    watch.store(
        [SessionRecord("in", host="h", directory="/p/app"), SessionRecord("out", host="h", directory="/p/apple")]
    )
    project, model = Budget(1.0, project="/p/app"), Budget(1.0, model="a/m")
    estimated = Budget(1.0, money="estimated")
    every = (project, model, estimated)
    assert watch.spend(MONDAY, *every, dollars=9, session="out", model="a/other") == []
    assert watch.spend(MONDAY, *every, dollars=0.5, session="in") == ["$0.50 of $1.00 used today (50 %)\napp"]
    assert watch.spend(MONDAY, *every, dollars=0.5, session="out", model="a/m") == [
        "$0.50 of $1.00 used today (50 %)\na/m"
    ]
    estimate = {"reported": None, "estimated": DOLLAR}
    assert watch.spend(MONDAY, *every, dollars=0, session="out", **estimate) == [
        "$1.00 of $1.00 used today (100 %)\nEstimated cost"
    ]


def test_weeks_and_months_are_those_of_the_calendar(watch: Watch) -> None:
    assert period_of("week", MONDAY + 6) == period_of("week", MONDAY) == (MONDAY, MONDAY + 6)
    december = number_of(date(2026, 12, 31))
    assert [str(date_of(day)) for day in period_of("month", december)] == ["2026-12-01", "2026-12-31"]
    first, last = period_of("week", december)
    assert (date_of(first).weekday(), last - first) == (0, 6)
    week = Budget(1.0, "week")
    assert watch.spend(first, week, dollars=0.3) == []
    assert len(watch.spend(last, week, dollars=0.3)) == 1
    assert watch.spend(last + 1, week, dollars=0.3) == []


def test_the_forecast_is_the_median_of_the_usual_active_days() -> None:
    assert forecast(10, [0] * 28, 20) == 10
    assert forecast(10, [4, 2, 6] * 9 + [4], 10) == 10 + 4 * 10
    assert forecast(0, [8, 0] * 14, 10) == 8 * 5  # active every other day
    assert (
        notice(Budget(100.0, "month"), 50 * DOLLAR, 120 * DOLLAR)[1] == "At this rate $120.00 by the end of the month"
    )


def test_thresholds_are_reached_exactly() -> None:
    assert reached(Budget(3.0), 3 * DOLLAR // 2) == (50,)
    assert reached(Budget(3.0), 3 * DOLLAR // 2 - 1) == ()
    assert reached(Budget(0.01), DOLLAR) == (50, 80, 100)


@pytest.mark.parametrize(
    "value",
    [
        {}, [{}], [{"amount": 0}], [{"amount": -1}], [{"amount": "5"}], [{"amount": True}],
        [{"amount": 1, "period": "year"}],
        [{"amount": 1, "money": "both"}], [{"amount": 1, "project": 5}], [{"amount": 1, "other": "x"}],
    ],
)  # fmt: skip
def test_an_invalid_budget_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        parse_budgets(value)


def test_a_valid_budget_is_read() -> None:
    assert parse_budgets([{"amount": 5, "period": "month", "model": "a/m"}]) == (Budget(5, "month", model="a/m"),)
