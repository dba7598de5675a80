"""Wait for conditions, and run coroutines with a time limit."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

DEADLINE = 20.0  # s for a condition to become true, on a busy machine as well

T = TypeVar("T")


def until(condition: Callable[[], T | None], what: str = "the condition", deadline: float = DEADLINE) -> T:
    """Wait for a true value of the condition and return it; fail after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {deadline:g} s: {what}"
        time.sleep(0.03)
    return value


def at_most_every(interval: float, action: Callable[[], object]) -> Callable[[], None]:
    """Return a function that acts at its first call, and again once `interval` seconds have passed."""
    acted = -math.inf

    def act() -> None:
        nonlocal acted
        if time.monotonic() >= acted + interval:
            acted = time.monotonic()
            action()

    return act


async def until_async(
    condition: Callable[[], T | Awaitable[T]], what: str = "the condition", deadline: float = DEADLINE
) -> T:
    """Wait for a true value of the condition, which may be a coroutine function; fail after `deadline` seconds."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        assert time.monotonic() < end, f"not within {deadline:g} s: {what}"
        await asyncio.sleep(0.005)


def run(coroutine: Coroutine[Any, Any, T], timeout: float = 60) -> T:
    """Run a coroutine for at most `timeout` seconds and return its result."""
    return asyncio.run(asyncio.wait_for(coroutine, timeout))
