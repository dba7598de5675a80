"""Limits how often something happens, for each address or device."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

MINUTE = 60.0  # s
MAX_KEYS = 1024  # a new key replaces the one that was used first


class Rate:
    """Counts the events of the last minute for each key, up to one more than `limit`."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._events: dict[str, deque[float]] = {}

    def count(self, key: str) -> int:
        """Return the number of events of this key; at most one more than the limit."""
        return len(self._recent(key))

    def add(self, key: str) -> None:
        """Count an event."""
        events = self._recent(key)
        events.append(self._clock())
        self._events[key] = events
        if len(self._events) > MAX_KEYS:
            del self._events[next(iter(self._events))]

    def _recent(self, key: str) -> deque[float]:
        events = self._events.get(key)
        if events is None:
            return deque(maxlen=self._limit + 1)
        oldest = self._clock() - MINUTE
        while events and events[0] <= oldest:
            events.popleft()
        return events
