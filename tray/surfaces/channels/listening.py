"""Keeps listening to a service: waits between attempts, and gives up after several failures in a row."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from tray.surfaces.channels.channel import ChannelError
from tray.system.backoff import Backoff
from tray.system.tasks import TaskSet

log = logging.getLogger(__name__)

FIRST_RETRY, LAST_RETRY = 5.0, 60.0  # s before another attempt, doubled each time
MIN_INTERVAL = 1.0  # s between two attempts, also if the service ends each at once
STABLE_AFTER = 180.0  # s of a connection after which its end is the first failure; no attempt takes so long to fail
GIVE_UP_AFTER = 5  # failures in a row: then the user is informed


async def keep_listening(name: str, listen_once: Callable[[TaskSet], Awaitable[None]]) -> None:
    """Call `listen_once` again whenever it ends. Raises ChannelError if it is refused, or after several failures.

    `listen_once` handles what it receives in the tasks that it is given. They are cancelled with this call only: an
    answer is also handled while there is no connection.
    """
    failures, backoff, handling = 0, Backoff(FIRST_RETRY, LAST_RETRY), TaskSet()
    try:
        while True:
            begun, problem = time.monotonic(), None
            try:
                await listen_once(handling)
            except ChannelError as error:
                problem = error
            if time.monotonic() - begun > STABLE_AFTER:
                failures = 0
                backoff.reset()
            if problem is None:
                await asyncio.sleep(MIN_INTERVAL)
                continue
            failures += 1
            if problem.is_permanent or problem.is_refused or failures >= GIVE_UP_AFTER:
                raise problem
            log.debug("no answers of %s: %s", name, problem)
            await asyncio.sleep(problem.retry_after or backoff.next_delay())
    finally:
        handling.cancel_all()
