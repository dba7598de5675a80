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
TOPIC = "cache"


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
            self._problems.report("damaged cache", problem)
        return restored

    def mark_changed(self) -> None:
        """Have the next `save_if_due` write the cache."""
        self._is_changed = True

    async def save_if_due(self) -> None:
        """Write the cache if the state changed and the last write was SAVE_INTERVAL ago."""
        if self._is_changed and self._clock.monotonic() - self._saved_at >= SAVE_INTERVAL:
            await self.save()

    async def save(self) -> None:
        """Write the cache. After an error, the next `save_if_due` tries again."""
        self._is_changed = False
        try:
            await asyncio.to_thread(write_cache, self._path, encode_cache(self._state.fleet))
        except OSError as error:
            self._is_changed = True
            why = f"cannot write {self._path}: {error.strerror}"
            self._problems.report(TOPIC, f"{why}; after a restart, sessions will be as they were before")
        else:
            self._saved_at = self._clock.monotonic()
            self._problems.clear(TOPIC)
