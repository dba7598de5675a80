"""The duration of a mute: what the user can type, and how its end is shown."""

from __future__ import annotations

import re

import pytest

from tray.actions.mute import mute_end, mute_end_text
from tray.core.durations import milliseconds

AT = 1_795_237_290_000


@pytest.mark.parametrize(
    ("text", "length"),
    [("5m", 300_000), ("90m", 5_400_000), ("2h", 7_200_000), ("3d", 259_200_000), ("366d", 31_622_400_000)],
)
def test_minutes_hours_and_days_are_accepted(text: str, length: int) -> None:
    assert milliseconds(text) == length
    assert mute_end(milliseconds(text), AT) == AT + length


@pytest.mark.parametrize("text", ["-", "5x", "5", "m", "0m", "-5m", "1.5h", "367d", "9999999m", "\u0665m", "5m "])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        milliseconds(text)


def test_an_end_more_than_six_days_away_is_shown_with_its_date() -> None:
    assert re.fullmatch(r"until \w{3} \d\d:\d\d", mute_end_text(AT + 3_600_000, AT))
    assert re.fullmatch(r"until \w{3} \d\d \w{3} \d\d:\d\d", mute_end_text(AT + 8 * 86_400_000, AT))
