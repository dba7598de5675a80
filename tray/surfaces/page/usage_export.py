"""Sends recorded steps to a browser while they are read."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiohttp import web

from tray.storage.history.export import csv_texts, exported_steps, json_texts
from tray.storage.history.selection import Selection

STALL_TIMEOUT = 30.0  # s for a browser to take a part; then the database is released, so that its log can be truncated


async def send_steps(request: web.Request, path: Path, chosen: Selection, *, as_csv: bool) -> web.StreamResponse:
    """Send the steps of a selection, as long as the browser takes them. Raises sqlite3.Error and ConnectionError."""
    response = web.StreamResponse()
    response.content_type = "text/csv" if as_csv else "application/jsonl"
    response.charset = "utf-8"
    steps = exported_steps(path, chosen)
    texts = csv_texts(steps) if as_csv else json_texts(steps)
    executor = ThreadPoolExecutor(1, "export")  # SQLite's connection belongs to one thread
    loop = asyncio.get_running_loop()
    try:
        text = await loop.run_in_executor(executor, next, texts, "")
        await response.prepare(request)
        while text:
            async with asyncio.timeout(STALL_TIMEOUT):
                await response.write(text.encode())
            text = await loop.run_in_executor(executor, next, texts, "")
        await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
    finally:
        executor.submit(steps.close)
        executor.shutdown(wait=False)
    return response
