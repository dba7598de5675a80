"""Imports what agents have stored on this machine into the history, in the background, after each start."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from tray.core.history import HistoryRecord
from tray.core.prices import Prices
from tray.sources.stored.importer import ImportOptions, Step, import_stored, stored_sources
from tray.storage.history.usage import imported_until
from tray.storage.history.writer import HistoryWriter
from tray.system.local_day import day_number

log = logging.getLogger(__name__)

DELAY = 10.0  # s after the start of the tray: plugins connect first
CPU_SHARE = 0.01  # of a core that the import may use on average


async def import_in_background(path: Path, writer: HistoryWriter, prices: Prices, keeps_text: bool) -> None:  # noqa: FBT001
    """Import what is new since the last time. An error ends it; the next start of the tray tries again."""
    options = ImportOptions(day_number, prices, keeps_text)
    await asyncio.sleep(DELAY)
    try:
        until = await asyncio.to_thread(imported_until, path)
        steps = import_stored(stored_sources(os.environ, Path.home()), until, options)
        while (taken := await asyncio.to_thread(_next, steps)) is not None:
            records, cpu_time = taken
            writer.put(records)
            await asyncio.sleep(cpu_time / CPU_SHARE)
    except (sqlite3.Error, OSError) as error:
        log.warning("cannot import stored sessions: %s", error)


def _next(steps: Iterator[Step]) -> tuple[list[HistoryRecord], float] | None:
    """Return the records of the next step and the CPU time in s that it took; None at the end."""
    began = time.thread_time()
    step = next(steps, None)
    return (step.records, time.thread_time() - began) if step is not None else None
