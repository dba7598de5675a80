"""Keeps listening to a service: waits between attempts, and gives up after several failures in a row."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from tray.surfaces.channels.channel import ChannelError

log = logging.getLogger(__name__)

RETRIES = (5.0, 10.0, 30.0, 60.0)  # s before another attempt; the last one is repeated
MIN_INTERVAL = 1.0  # s between two attempts, also if the service ends each at once
STABLE_AFTER = 30.0  # s of a connection after which its end is no failure
GIVE_UP_AFTER = 5  # failures in a row: then the user is informed


async def keep_listening(name: str, listen_once: Callable[[], Awaitable[None]]) -> None:
    """Call `listen_once` again whenever it ends. Raises ChannelError if it is refused, or after several failures."""
    failures = 0
    while True:
        begun = time.monotonic()
        wait = MIN_INTERVAL
        try:
            await listen_once()
        except ChannelError as error:
            failures += 1
            if error.is_permanent or error.is_refused or failures >= GIVE_UP_AFTER:
                raise
            log.debug("no answers of %s: %s", name, error)
            wait = error.retry_after or RETRIES[min(failures, len(RETRIES)) - 1]
        if time.monotonic() - begun > STABLE_AFTER:
            failures = 0
        await asyncio.sleep(wait)
