"""Keeps the state on disk, so that a restarted tray shows the last known sessions."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tray.app.clock import Clock
from tray.app.problems import Problems
from tray.app.state import AppState
from tray.core.events import Restored
from tray.storage.cache import encode_cache, read_cache, write_cache

SAVE_INTERVAL = 60.0  # s


class StateCache:
    """Reads the cache once, and writes it at most once per SAVE_INTERVAL while the state changes."""

    def __init__(self, path: Path, state: AppState, problems: Problems, clock: Clock) -> None:
        self._path = path
        self._state = state
        self._problems = problems
        self._clock = clock
        self._is_changed = False
        self._saved_at = 0.0

    async def load(self) -> Restored | None:
        """Read the cache of the last run; None if there is none that can be read."""
        restored, problem = await asyncio.to_thread(read_cache, self._path)
        if problem is not None:
            self._problems.report("cache", problem)
        return restored

    def mark_changed(self) -> None:
        """Have the next `save_if_due` write the cache."""
        self._is_changed = True

    async def save_if_due(self) -> None:
        """Write the cache if the state changed and the last write was SAVE_INTERVAL ago."""
        at = self._clock.monotonic()
        if self._is_changed and at - self._saved_at >= SAVE_INTERVAL:
            self._is_changed, self._saved_at = False, at
            await self.save()

    async def save(self) -> None:
        """Write the cache."""
        await asyncio.to_thread(write_cache, self._path, encode_cache(self._state.fleet))
