"""What the page's server uses of the rest of the tray."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from tray.core.commands import Command, CommandResult, Surface
from tray.core.history import HistoryRecord
from tray.core.source_calls import SourceCall
from tray.surfaces.page.security import Hosts

Execute = Callable[[Command, Surface], Awaitable[CommandResult]]
Write = Callable[[list[HistoryRecord]], Awaitable[None]]


class PageServices(NamedTuple):
    """Files and functions. All functions are called on the loop's thread."""

    now: Callable[[], int]  # returns ms since the Unix epoch
    problems: Callable[[], tuple[str, ...]]  # returns the tray's own problems
    execute: Execute  # executes a command
    call: SourceCall  # calls the agent of a server
    audit_log: Path
    history: Path
    write: Write  # stores records in the history, after all that were put before; raises UserError
    exposed: Callable[[], str] = str  # returns how long the internet can reach the page; "": it cannot
    https_hosts: Hosts = tuple  # returns the names under which requests come through a tunnel or Tailscale


async def executed(execute: Execute, command: Command) -> CommandResult:
    """Execute a command that is given on the page, and return its result. Raises HTTPConflict with the reason."""
    result = await execute(command, Surface.PAGE)
    if not result.ok:
        raise web.HTTPConflict(text=result.message)
    return result
