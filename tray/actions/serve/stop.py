"""Stop and restart servers. A process is ended only if it is the very process that was found or recorded."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress

import aiohttp

from tray.actions.serve.errors import ServeError
from tray.actions.serve.listing import FoundServer
from tray.actions.serve.start import ServerOptions, find_program, start
from tray.actions.serve.started import identity_of
from tray.core.commands import CommandResult
from tray.core.source_calls import CallError
from tray.opencode.api import Api, LockedError
from tray.storage.servers import StartedServer, remove_server, write_server
from tray.system.background_process import ProcessIdentity, end_process_tree
from tray.system.paths import Paths

DISPOSE_TIMEOUT = 3.0  # s
IS_KILLED = sys.platform == "win32"  # Windows has no signal that asks a process to end


async def stop(server: FoundServer, paths: Paths, *, is_killed: bool = IS_KILLED) -> CommandResult:
    """Stop a server, whichever program started it. A terminal UI is not stopped: the user closes it.

    `is_killed`: ending its process gives it no time to close its sessions and plugins, so it is asked to do so before.
    """
    if not server.is_server:
        return CommandResult(f"{server.name} is a terminal UI with a port: close it in its terminal", ok=False)
    identity = identity_of(server.record) if server.record is not None else ProcessIdentity.of(server.pid)
    if is_killed:
        await _dispose(server)
    if server.is_running and identity is not None and not await end_process_tree(identity):
        return CommandResult(f"cannot stop {server.name} (process {server.pid})", ok=False)
    if server.record is not None:
        await asyncio.to_thread(remove_server, paths.servers, server.record.name)
    return CommandResult(f"Stopped {server.name}" if server.is_running else f"{server.name} had already ended")


async def _dispose(server: FoundServer) -> None:
    """Let a server close its sessions and plugins."""
    if server.state != "healthy":
        return
    with suppress(CallError, LockedError, TimeoutError):
        async with asyncio.timeout(DISPOSE_TIMEOUT), aiohttp.ClientSession() as http:
            await Api(server.address, http).post("/global/dispose")


async def restart(server: FoundServer, paths: Paths, environment: Mapping[str, str]) -> StartedServer:
    """Stop a server and start it with the same options and password. Raises ServeError."""
    record = server.record
    if record is None:
        raise ServeError(f"{server.name} was not started by OpenCode Tray; stop it and start a new one")
    options = ServerOptions(
        record.directory, record.program, int(record.name.partition("-")[0]), record.hostname, record.password,
        record.username, record.options,
    )  # fmt: skip
    await find_program(options)
    stopped = await stop(server, paths)
    if not stopped.ok:
        raise ServeError(stopped.message)
    try:
        return await start(options, paths, environment)
    except BaseException:
        with suppress(OSError):
            write_server(paths.servers, record)  # with the password, so that the user can try again
        raise
