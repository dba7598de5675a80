"""Jobs that run at a fixed interval."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

log = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None] | None]


async def run_periodically(interval: float, jobs: Mapping[str, Job]) -> None:
    """Run the jobs, in order, every `interval` seconds until cancelled. A job that fails does not stop the others."""
    while True:
        await asyncio.sleep(interval)
        for name, job in jobs.items():
            try:
                running = job()
                if running is not None:
                    await running
            except Exception:  # the next interval tries again
                log.exception("periodic job %r failed", name)
