"""The clock, and whether the machine slept."""

from __future__ import annotations

import time
from typing import Protocol

JUMP = 5.0  # s; a larger difference between the clocks means that the machine slept or its clock was set


class Clock(Protocol):
    """The parts of the module `time` that are used."""

    def time(self) -> float:
        """Return seconds since the Unix epoch."""

    def time_ns(self) -> int:
        """Return nanoseconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Return seconds of a clock that is never set."""


def milliseconds(clock: Clock = time) -> int:
    """Return milliseconds since the Unix epoch."""
    return clock.time_ns() // 1_000_000


class JumpDetector:
    """Detects between two calls that the machine slept or that its clock was set."""

    def __init__(self, interval: float, clock: Clock = time) -> None:
        self._interval = interval  # s between two calls
        self._clock = clock
        self._monotonic, self._wall = clock.monotonic(), clock.time()

    def jump(self) -> float:
        """Return how many seconds more than the interval the wall clock advanced; 0 within the tolerance."""
        monotonic, wall = self._clock.monotonic(), self._clock.time()
        monotonic_passed, wall_passed = monotonic - self._monotonic, wall - self._wall
        self._monotonic, self._wall = monotonic, wall
        if abs(wall_passed - monotonic_passed) > JUMP or monotonic_passed > self._interval + JUMP:
            return wall_passed - self._interval
        return 0.0
