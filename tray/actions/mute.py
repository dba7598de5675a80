"""Until when a mute holds."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from tray.core.commands import FOREVER, MuteSpan
from tray.system.local_time import local_time

DAY = 24 * 3600_000  # ms
MORNING = 8  # the local hour at which "until tomorrow" ends
A_WEEK = 6 * 86_400_000  # ms in which the name of a day says which one it is
NIGHT_ENDS = 4  # the local hour before which "tomorrow" is the morning to come


def end_of(span: MuteSpan | int, at: int) -> int:
    """When a mute that begins at `at` ends; both in ms since the epoch."""
    match span:
        case int():
            return at + span
        case MuteSpan.HALF_HOUR:
            return at + 30 * 60_000
        case MuteSpan.TWO_HOURS:
            return at + 120 * 60_000
        case MuteSpan.TOMORROW:
            told = local_time(at)
            if told is None:  # our own clock is far off
                return at + DAY
            now = told.replace(tzinfo=None)  # the clock on the wall, also when it changes
            day = now if now.hour < NIGHT_ENDS else now + timedelta(days=1)
            return int(day.replace(hour=MORNING, minute=0, second=0, microsecond=0).timestamp() * 1000)
        case MuteSpan.FOREVER:
            return FOREVER
        case _:
            assert_never(span)


def when(until: int, at: int) -> str:
    """The end of a mute for a person, now being `at`: "until Sun 08:00"; from six days on with the date."""
    end = local_time(until)
    if end is None:
        return "until you unmute"
    return f"until {end:%a %H:%M}" if until - at < A_WEEK else f"until {end:%a %d %b %H:%M}"
