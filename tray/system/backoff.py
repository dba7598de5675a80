"""Delays between attempts."""

from __future__ import annotations

import random


class Backoff:
    """Exponential delays: the first one, then `factor` times the previous one, up to a limit.

    Each delay is shortened at random by up to the fraction `jitter`, so that many clients do not retry at once.
    """

    def __init__(self, first: float, limit: float, *, factor: float = 2.0, jitter: float = 0.0) -> None:
        """`first` and `limit` are in seconds."""
        self._first = first
        self._limit = limit
        self._factor = factor
        self._jitter = jitter
        self._next = first

    def next_delay(self) -> float:
        """Return the delay before the next attempt, in seconds."""
        delay = self._next
        self._next = min(delay * self._factor, self._limit)
        return delay * random.uniform(1 - self._jitter, 1)  # noqa: S311

    def reset(self) -> None:
        """Start with the first delay again."""
        self._next = self._first
