"""Convert timestamps from outside, which may be out of range, to local time."""

from __future__ import annotations

from datetime import datetime

from tray.core.timestamps import is_timestamp


def local_time(at: float) -> datetime | None:
    """Return the local time at `at`, in ms since the Unix epoch; None if it is out of range. Never raises.

    On Windows, the C library and so `datetime` raise OSError up to the first day of 1970 and from the year 3001.
    """
    return datetime.fromtimestamp(at / 1000).astimezone() if is_timestamp(at) else None
