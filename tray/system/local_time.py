"""The time of day here, of a moment that anybody may have told."""

from __future__ import annotations

from datetime import datetime

from tray.core.timestamps import is_timestamp


def local_time(at: float) -> datetime | None:
    """The time here at `at`, ms since the Unix epoch; None for what can be no moment. It never raises.

    Windows' C library, and so `datetime`, raises OSError for the first day of 1970, what is before, and for year 3001.
    """
    return datetime.fromtimestamp(at / 1000).astimezone() if is_timestamp(at) else None
