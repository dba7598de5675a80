"""Convert timestamps from outside, which may be out of range, to local time."""

from __future__ import annotations

from datetime import datetime

from tray.core.timestamps import is_timestamp


def local_time(at: float) -> datetime | None:
    """Return the local time at `at`, in ms since the Unix epoch; None if it is out of range. Never raises.

    On Windows, the C library and so `datetime` raise OSError up to the first day of 1970 and from the year 3001.
    """
    return datetime.fromtimestamp(at / 1000).astimezone() if is_timestamp(at) else None


def minute_of_day(at: int) -> int:
    """Return the local minute of the day (0 to 1439) at `at`, in ms since the Unix epoch. Never raises."""
    clock = local_time(at)
    return at // 60_000 % (24 * 60) if clock is None else clock.hour * 60 + clock.minute
