"""Which numbers can be a timestamp in ms since the Unix epoch. Other programs also send seconds, delays or garbage."""

from __future__ import annotations

EARLIEST = 946_684_800_000  # 2000-01-01 UTC: before any supported agent existed
LATEST = 4_102_444_800_000  # 2100-01-01 UTC: Windows' C library knows no time of day after the year 3000


def is_timestamp(number: float) -> bool:
    """Whether the number is between EARLIEST and LATEST."""
    return EARLIEST <= number < LATEST
