"""Deadlines on a clock that may be set."""

from __future__ import annotations


def is_before(end: int, now: int, length: int) -> bool:
    """Whether `now` is within the `length` before `end`, in one unit.

    A longer time cannot be left: the clock was set back, or the end comes from a machine whose clock is ahead.
    """
    return end - length <= now < end
