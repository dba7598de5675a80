"""Finds out whether a session's terminal has the keyboard focus and shows that session."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from tray.actions.attach.opener import is_here
from tray.actions.attach.target import is_web_address
from tray.core.model import Server


async def is_looked_at(server: Server, titles: Collection[str]) -> bool | None:
    """Whether a terminal of this server's has the keyboard, and shows a session of one of these titles.

    None: that cannot be known, as of one on another machine.
    """
    from tray.actions.attach.terminal_focus import any_of, has_focus, seats  # noqa: PLC0415  # psutil is not needed at the start

    if not is_here(server):
        return None
    url = server.url if server.url and is_web_address(server.url) else None
    found = await asyncio.to_thread(seats, server, url)
    return any_of([await has_focus(seat, titles) for seat in found])
