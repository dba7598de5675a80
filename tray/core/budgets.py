"""Budgets: amounts of money for a day, a week or a month, and the thresholds at which the user is notified. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tray.core.paths import base_name
from tray.core.text import money

THRESHOLDS = (50, 80, 100)  # % of the amount
PERIODS = {"day": "today", "week": "this week", "month": "this month"}
KINDS = ("reported", "estimated")
RECENT_DAYS = 28  # before today, from which a forecast is made
ACTIVE_DAYS = 14  # the newest days with usage, of which a forecast uses the median


class Budget(NamedTuple):
    """One budget. Reported and estimated money are never added: it is about one of them."""

    amount: float  # US dollars
    period: str = "day"
    project: str = ""  # a directory; "": all
    model: str = ""  # "provider/model"; "": all
    money: str = "reported"

    @property
    def key(self) -> str:
        """The name of the budget in the history. A budget with another amount notifies again."""
        return "|".join(map(str, self))

    @property
    def micro_dollars(self) -> int:
        """The amount in micro-dollars."""
        return round(self.amount * 1_000_000)

    @property
    def scope(self) -> str:
        """What it is about, as text; "" for everything."""
        return " · ".join(part for part in (base_name(self.project) if self.project else "", self.model) if part)


def parse_budgets(value: Any) -> tuple[Budget, ...]:
    """Parse the setting `[[budgets]]`. Raises ValueError."""
    if not isinstance(value, (list, tuple)):
        raise ValueError  # noqa: TRY004  # `Setting.parse` raises ValueError
    return tuple(map(_budget, value))


def _budget(table: Any) -> Budget:
    if not isinstance(table, Mapping) or not {"amount"} <= set(table) <= set(Budget._fields):
        raise ValueError
    budget = Budget(**table)
    is_amount = isinstance(budget.amount, (int, float)) and not isinstance(budget.amount, bool) and budget.amount > 0
    if not is_amount or not all(isinstance(text, str) for text in budget[1:]):
        raise ValueError
    if budget.period not in PERIODS or budget.money not in KINDS:
        raise ValueError
    return budget


def reached(budget: Budget, spent: int) -> tuple[int, ...]:
    """Return the thresholds that an amount (micro-dollars) has reached, the lowest first."""
    return tuple(threshold for threshold in THRESHOLDS if spent * 100 >= threshold * budget.micro_dollars)


def forecast(spent: int, recent: Sequence[int], days_left: int) -> int:
    """Return the amount at the end of a period, in micro-dollars.

    `recent` are the amounts of the RECENT_DAYS before today, the newest first; a day without usage is 0. The days left
    are as often active as those were, and cost their median.
    """
    active = [amount for amount in recent if amount]
    if not active:
        return spent
    return spent + round(_median(active[:ACTIVE_DAYS]) * days_left * len(active) / len(recent))


def _median(amounts: Sequence[int]) -> int:
    return sorted(amounts)[len(amounts) // 2]


def notice(budget: Budget, spent: int, expected: int) -> tuple[str, str]:
    """Return title and text of a notification. `expected` is the forecast for the end of the period."""
    percent = spent * 100 // budget.micro_dollars
    title = f"{money(spent)} of {money(budget.micro_dollars)} used {PERIODS[budget.period]} ({percent} %)"
    kind = "" if budget.money == "reported" else "Estimated cost"
    rate = f"At this rate {money(expected)} by the end of the {budget.period}" if expected > spent else ""
    return title, "\n".join(part for part in (budget.scope, kind, rate) if part)
