"""Reads something again after each change, with pauses: it takes a small share of the time, however slow it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from tray.system.tasks import TaskSet

PAUSE = 20  # times as long as the reading took: at most a twentieth of the time is spent on it
MAX_PAUSE = 5.0  # s; a reading may have waited for a busy disk


class PacedReading:
    """Lives on the event loop's thread."""

    def __init__(self, read: Callable[[], Awaitable[None]], tasks: TaskSet, name: str) -> None:
        """`read` is called on the loop; `name` is that of its task."""
        self._read = read
        self._tasks = tasks
        self._name = name
        self._reading: asyncio.Task[None] | None = None
        self._is_stale = False

    def changed(self) -> None:
        """Read now, or after the pause that follows the reading before."""
        self._is_stale = True
        if self._reading is None or self._reading.done():
            self._reading = self._tasks.spawn(self._read_while_stale(), self._name)

    async def _read_while_stale(self) -> None:
        while self._is_stale:
            self._is_stale = False
            begun = time.monotonic()
            await self._read()
            await asyncio.sleep(min(MAX_PAUSE, PAUSE * (time.monotonic() - begun)))
