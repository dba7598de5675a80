"""Whether the user looks at a session: its terminal has the keyboard focus and shows that session."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from tray.actions.attach.target import is_local, is_web_address
from tray.core.servers import Server


async def is_looked_at(server: Server, titles: Collection[str]) -> bool | None:
    """Return whether a terminal of this server has the focus and shows a session with one of these titles.

    None if that is unknown, for example for a server on another machine.
    """
    from tray.actions.attach.codex_terminals import codex_terminals  # noqa: PLC0415  # loads psutil
    from tray.actions.attach.terminal_focus import any_of, has_focus, session_terminals  # noqa: PLC0415  # loads psutil

    if not is_local(server):
        return None
    url = server.url if server.url and is_web_address(server.url) else None
    if server.is_daemon:
        terminals = await codex_terminals(server.directory, "", titles)
    else:
        terminals = await asyncio.to_thread(session_terminals, server, url)
    return any_of([await has_focus(terminal, titles) for terminal in terminals])
