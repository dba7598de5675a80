"""Concurrent coroutines, none of which outlives the caller."""

from __future__ import annotations

import asyncio

import pytest

from tray.system.tasks import call_on_loop, run_all


@pytest.mark.parametrize("cancelled", [False, True])
def test_all_tasks_have_ended_before_a_failure_or_cancellation_is_raised(cancelled: bool) -> None:
    ended: list[int] = []

    async def slow(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(3):  # a cancelled task may have to clean up
                await asyncio.sleep(0)
            ended.append(number)

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError

    async def scenario() -> None:
        works = [slow(1), slow(2)] if cancelled else [slow(1), fails(), slow(2)]
        whole = asyncio.ensure_future(run_all(works))
        for _ in range(3):
            await asyncio.sleep(0)
        if cancelled:
            whole.cancel()
        with pytest.raises(asyncio.CancelledError if cancelled else ValueError):
            await whole
        assert sorted(ended) == [1, 2]

    asyncio.run(scenario())


def test_results_are_in_the_order_of_the_coroutines() -> None:
    async def number(value: int, turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return value

    assert asyncio.run(run_all([number(1, 5), number(2, 0)])) == [1, 2]


def test_a_call_on_a_loop_that_has_ended_or_not_begun_has_no_effect() -> None:
    called: list[int] = []
    loop = asyncio.new_event_loop()
    call_on_loop(loop, called.append, 1)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    call_on_loop(loop, called.append, 2)
    call_on_loop(None, called.append, 3)
    assert called == [1]
