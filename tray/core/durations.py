"""Parse the duration of a mute as the user types it."""

from __future__ import annotations

import re

OPEN_ENDED = ("tomorrow", "forever")  # accepted besides a number with a unit
ALLOWED = "minutes, hours or days up to a year (90m, 2h, 3d), tomorrow, or forever"
_UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}  # ms
_LONGEST = 366 * _UNITS["d"]


def milliseconds(duration: str) -> int:
    """Return the length of `90m`, `2h` or `3d`. Raises ValueError for any other text, zero, and more than 366 days."""
    found = re.fullmatch(r"([0-9]{1,6})([mhd])", duration)
    if found is None:
        raise ValueError(duration)
    length = int(found[1]) * _UNITS[found[2]]
    if not 0 < length <= _LONGEST:
        raise ValueError(duration)
    return length
