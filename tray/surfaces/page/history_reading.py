"""Reading the history for an answer of the page."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

T = TypeVar("T")


async def read_in_thread(read: Callable[[], T]) -> T:
    """Read the history without blocking the loop. Raises HTTPServiceUnavailable."""
    try:
        return await asyncio.to_thread(read)
    except sqlite3.Error as error:
        raise unreadable(error) from error


def unreadable(error: sqlite3.Error) -> web.HTTPException:
    """Return the error for a history that cannot be read."""
    return web.HTTPServiceUnavailable(text=f"cannot read the history: {error}")
