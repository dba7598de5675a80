"""Run coroutines concurrently, none of which outlives the caller."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)


async def run_all(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines concurrently; return their results in order.

    If one raises, the others are cancelled and have ended before its exception, not an ExceptionGroup, is raised.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in tasks]


def call_on_loop(loop: asyncio.AbstractEventLoop | None, callback: Callable[..., object], *arguments: object) -> None:
    """Call soon on the thread of a loop; from any thread. Without effect if the loop has ended, or not begun (None)."""
    if loop is not None:
        with suppress(RuntimeError):  # it may end at any moment, so that asking whether it has ended is not enough
            loop.call_soon_threadsafe(callback, *arguments)


class TaskSet:
    """Background tasks of one owner. An error in a task is logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Start a task on the running loop."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def wait(self, timeout: float) -> None:
        """Wait until all tasks have ended, at most `timeout` seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    def cancel_all(self) -> None:
        """Cancel all tasks."""
        for task in self._tasks:
            task.cancel()

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)
