"""Divides the time of the event loop between those that report events and everything else."""

from __future__ import annotations

import asyncio

TURN = 0.01  # s of work on the events of one server, after which everything else on the event loop gets its turn


class Turn:
    """The time that a task may work on events before other tasks of the event loop get theirs."""

    def __init__(self) -> None:
        self._time = asyncio.get_running_loop().time
        self._end = self._time() + TURN

    async def give_way(self) -> None:
        """Let other tasks work if the time is over, so that a server which sends without a pause delays no other."""
        if self._time() > self._end:
            await asyncio.sleep(0)
            self._end = self._time() + TURN
