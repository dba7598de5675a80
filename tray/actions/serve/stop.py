"""Ending servers: the very process that is named, gracefully and then firmly."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from tray.actions.serve.listing import FoundServer
from tray.actions.serve.start import ServeError, ServerOptions, check, identity, start
from tray.core.commands import CommandResult
from tray.storage.servers import StartedServer, remove_server, write_server
from tray.system.background_process import ProcessIdentity, end_process_tree
from tray.system.paths import Paths


async def stop(server: FoundServer, paths: Paths) -> CommandResult:
    """End it, whoever started it; a terminal UI is a person's to close."""
    if not server.is_server:
        return CommandResult(f"{server.name} is a terminal UI with a port: close it in its terminal", ok=False)
    who = identity(server.record) if server.record is not None else ProcessIdentity.of(server.pid)
    if server.runs and who is not None and not await end_process_tree(who):
        return CommandResult(f"{server.name} (process {server.pid}) could not be stopped", ok=False)
    if server.record is not None:
        await asyncio.to_thread(remove_server, paths.servers, server.record.name)
    return CommandResult(f"Stopped {server.name}" if server.runs else f"{server.name} had already ended")


async def restart(server: FoundServer, paths: Paths, environment: Mapping[str, str]) -> StartedServer:
    """End it and start it again, as it was, with its password. Raises ServeError."""
    record = server.record
    if record is None:
        raise ServeError(f"{server.name} was not started by OpenCode Tray; stop it and start a new one")
    wish = ServerOptions(
        record.directory, record.program, int(record.name.partition("-")[0]), record.hostname, record.password,
        record.username, record.options,
    )  # fmt: skip
    await check(wish)
    done = await stop(server, paths)
    if not done.ok:
        raise ServeError(done.message)
    try:
        return await start(wish, paths, environment)
    except BaseException:
        with suppress(OSError):
            write_server(paths.servers, record)  # its password and all: it can be tried again
        raise
