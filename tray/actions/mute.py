"""The end of a mute, in ms since the Unix epoch and as text for the user."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from tray.core.commands import FOREVER, MuteSpan
from tray.system.local_time import local_time

MINUTE = 60_000  # ms
DAY = 24 * 60 * MINUTE
WITH_DATE = 6 * DAY  # ms; for a later end, the name of the day would be ambiguous
MORNING = 8  # the local hour at which "until tomorrow" ends
NIGHT_ENDS = 4  # the local hour before which "tomorrow" means the coming morning


def mute_end(span: MuteSpan | int, start: int) -> int:
    """Return the end of a mute that begins at `start`; both in ms since the Unix epoch."""
    match span:
        case int():
            return start + span
        case MuteSpan.HALF_HOUR:
            return start + 30 * MINUTE
        case MuteSpan.TWO_HOURS:
            return start + 120 * MINUTE
        case MuteSpan.TOMORROW:
            return _tomorrow(start)
        case MuteSpan.FOREVER:
            return FOREVER
        case _:
            assert_never(span)


def _tomorrow(start: int) -> int:
    local = local_time(start)
    if local is None:  # the clock is set to a year that cannot be converted
        return start + DAY
    now = local.replace(tzinfo=None)  # the hours of the wall clock, also on the day of a change to summer time
    day = now if now.hour < NIGHT_ENDS else now + timedelta(days=1)
    return int(day.replace(hour=MORNING, minute=0, second=0, microsecond=0).timestamp() * 1000)


def mute_end_text(end: int, now: int) -> str:
    """Return the end of a mute for the user: "until Sun 08:00", or with the date from six days on."""
    local = local_time(end)
    if local is None:
        return "until you unmute"
    return f"until {local:%a %H:%M}" if end - now < WITH_DATE else f"until {local:%a %d %b %H:%M}"
