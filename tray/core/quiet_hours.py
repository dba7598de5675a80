"""Hours of the day without notifications: "HH:MM-HH:MM" in local time, or "" for none. They may span midnight."""

from __future__ import annotations

import re
from typing import Any

ALLOWED = '"" or "HH:MM-HH:MM", local time'
_HOURS = re.compile(r"|([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")


def parse_hours(value: Any) -> str:
    """Return the value if it is allowed. Raises ValueError."""
    if not isinstance(value, str) or not _HOURS.fullmatch(value):
        raise ValueError
    return value


def is_quiet(hours: str, minute_of_day: int) -> bool:
    """Whether a local minute (0 to 1439) lies in the hours."""
    if not hours:
        return False
    begin, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in hours.split("-"))
    if begin <= end:
        return begin <= minute_of_day < end
    return minute_of_day >= begin or minute_of_day < end
