"""Numbers that other programs report, within what can be stored and shown. One that is not possible counts as 0."""

from __future__ import annotations

from tray.core.timestamps import is_timestamp

LARGEST = 2**53  # up to it, every integer is exact in JSON
MAX_TOKENS = 10**12  # of one kind in one response; the sum of a million responses is a number of 64 bits


def whole(number: float) -> int:
    """Return a count, or a time of which only the presence matters; 0 if it is out of range."""
    return int(number) if 0 <= number <= LARGEST else 0


def token_count(number: float | None) -> int:
    """Return the number of tokens of one kind in a response; 0 if it is unknown or out of range."""
    return int(number) if number is not None and 0 <= number <= MAX_TOKENS else 0


def moment(number: float) -> int:
    """Return a time in ms since the Unix epoch that is shown or sorted by; 0 (unknown) if it is out of range."""
    return int(number) if is_timestamp(number) else 0


def money(number: float) -> float:
    """Return a cost; 0 if it is out of range."""
    return float(number) if 0 <= number <= LARGEST else 0.0
