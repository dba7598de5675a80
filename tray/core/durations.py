"""How long a mute holds, as a person types it."""

from __future__ import annotations

import re

UNTIL = ("tomorrow", "forever")  # ends that are no number
ALLOWED = "a number of minutes, hours or days up to a year (90m, 2h, 3d), tomorrow, or forever"
_UNITS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}  # ms
_LONGEST = 366 * _UNITS["d"]


def milliseconds(span: str) -> int:
    """The length of `90m`, `2h` or `3d`. Raises ValueError for anything else, for nothing, and for over a year."""
    found = re.fullmatch(r"([0-9]{1,6})([mhd])", span)
    if found is None:
        raise ValueError(span)
    length = int(found[1]) * _UNITS[found[2]]
    if not 0 < length <= _LONGEST:
        raise ValueError(span)
    return length
