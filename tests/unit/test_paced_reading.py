"""A reading after changes: the first one at once, the last change is never missed, and pauses follow slow readings."""

from __future__ import annotations

import asyncio
import time

from tray.app.paced_reading import PAUSE, PacedReading
from tray.system.tasks import TaskSet
from waiting import run, until_async

SLOW = 0.02  # s of one reading


class Readings:
    """Counts the readings of a value."""

    def __init__(self) -> None:
        self.value = 0
        self.seen: list[int] = []
        self.paced = PacedReading(self._read, TaskSet(), "test")

    async def _read(self) -> None:
        value = self.value
        await asyncio.sleep(SLOW)
        self.seen.append(value)

    def change(self) -> None:
        self.value += 1
        self.paced.changed()


def test_frequent_changes_are_read_in_a_small_share_of_the_time() -> None:
    async def test() -> None:
        readings, begun = Readings(), time.monotonic()
        while time.monotonic() < begun + 3 * PAUSE * SLOW:
            readings.change()
            await asyncio.sleep(SLOW / 4)
        assert 2 <= len(readings.seen) <= 4

    run(test())


def test_the_first_change_is_read_at_once_and_the_last_one_is_not_missed() -> None:
    async def test() -> None:
        readings, begun = Readings(), time.monotonic()
        readings.change()
        await until_async(lambda: readings.seen == [1])
        assert time.monotonic() < begun + PAUSE * SLOW
        readings.change()
        readings.change()
        await until_async(lambda: readings.seen == [1, 3])

    run(test())
