"""Several things at once, of which none outlives the whole."""

from __future__ import annotations

import asyncio

import pytest

from tray.system.tasks import run_all


@pytest.mark.parametrize("called_off", [False, True])
def test_when_one_fails_or_all_is_called_off_everyone_has_ended_before_that_is_told(called_off: bool) -> None:
    ended: list[int] = []

    async def slow(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(3):  # who is ended may have something to put in order
                await asyncio.sleep(0)
            ended.append(number)

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError

    async def story() -> None:
        works = [slow(1), slow(2)] if called_off else [slow(1), fails(), slow(2)]
        whole = asyncio.ensure_future(run_all(works))
        for _ in range(3):
            await asyncio.sleep(0)
        if called_off:
            whole.cancel()
        with pytest.raises(asyncio.CancelledError if called_off else ValueError):
            await whole
        assert sorted(ended) == [1, 2]

    asyncio.run(story())


def test_the_results_come_in_order() -> None:
    async def number(value: int, turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return value

    assert asyncio.run(run_all([number(1, 5), number(2, 0)])) == [1, 2]
