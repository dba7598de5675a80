"""The menu's line with today's usage."""

from __future__ import annotations

import pytest

from tray.core.history import UsageToday
from tray.surfaces.menu.usage_line import today_line

DOLLAR = 1_000_000


@pytest.mark.parametrize(
    ("today", "line"),
    [
        (UsageToday(), ""),
        (UsageToday(1, 120, DOLLAR // 2), "Today: 1 session · 120 tokens · $0.50"),
        (UsageToday(2, 1_500), "Today: 2 sessions · 1.5k tokens · $0.00"),
        (UsageToday(2, 1_500, unpriced=3), "Today: 2 sessions · 1.5k tokens"),
        (UsageToday(2, 1_500, estimated=DOLLAR), "Today: 2 sessions · 1.5k tokens · $1.00 estimated"),
        (UsageToday(2, 0, DOLLAR, 2 * DOLLAR, 1), "Today: 2 sessions · 0 tokens · $1.00 + $2.00 estimated"),
    ],
)
def test_reported_and_estimated_cost_are_named_apart_and_an_unknown_one_is_left_out(
    today: UsageToday, line: str
) -> None:
    assert today_line(today) == line
