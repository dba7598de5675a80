"""`serve list` and `serve status`."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import Any

import aiohttp
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tray.actions.serve.listing import FoundServer, select_server
from tray.cli import wide_console
from tray.cli.exit_codes import FAILED, OK
from tray.cli.serve_common import servers
from tray.core.servers import Service
from tray.core.text import age, clean
from tray.opencode.api import Api, LockedError
from tray.opencode.services import read_services

COLUMNS = ("ID", "STATE", "VERSION", "UP", "MEMORY", "CONN", "SESSIONS", "DIRECTORY", "STARTED BY", "LOG")
NUMBERS = ("UP", "MEMORY", "CONN", "SESSIONS")  # columns that are aligned to the right
STYLES = {"ended": "bright_black", "silent": "red", "locked": "yellow", "starting": "blue"}  # by state


async def list_all(options: argparse.Namespace) -> int:
    """Print all servers as a table, or as blocks of three lines if the terminal is too narrow. Raises UserError."""
    found = await servers()
    if options.json:
        print(json.dumps([server.plain() for server in found]))
        return OK
    if not found:
        print("No servers are running; start one with: opencode-tray serve start")
        return OK
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in NUMBERS else "left", no_wrap=True)
    for server in found:
        table.add_row(*map(Text, _cells(server)), style=STYLES.get(server.state, ""))
    console = wide_console.console()
    if (
        Measurement.get(console, console.options.update(max_width=wide_console.UNLIMITED), table).maximum
        <= console.width
    ):
        console.print(table)
    else:
        for server in found:
            console.print(Text(_block(server), style=STYLES.get(server.state, "")), soft_wrap=True)
    return OK


def _cells(server: FoundServer) -> tuple[str, ...]:
    """Return the texts of the columns, in order."""
    return (
        server.name,
        server.state,
        server.version or "-",
        _uptime(server),
        f"{server.memory / 1e6:.0f} MB" if server.memory else "-",
        str(server.connections) if server.is_running else "-",
        "-" if server.sessions is None else str(server.sessions),
        clean(server.directory),
        clean(server.started_by),
        clean(server.log) or "-",
    )


def _block(server: FoundServer) -> str:
    """Return the same data as three lines."""
    name, state, version, uptime, memory, connections, sessions, directory, by, log = _cells(server)
    facts = {"OpenCode": version, "up": uptime, "memory": memory, "conn": connections, "sessions": sessions}
    head = "  ".join((name, state, *(f"{label} {value}" for label, value in facts.items() if value != "-")))
    return f"{head}\n      {directory}\n      started by {by}" + (f", log {log}" if server.log else "")


def _uptime(server: FoundServer) -> str:
    if not server.is_running or not server.started:
        return "-"
    seconds = round(time.time() - server.started)
    return f"{seconds}s" if seconds < 60 else age(seconds * 1000)


async def status(options: argparse.Namespace) -> int:
    """Print one or all servers with their MCP and LSP servers. Exit code 1 if one is not healthy. Raises UserError."""
    found = await servers()
    chosen = [select_server(found, options.server)] if options.server else found
    async with aiohttp.ClientSession() as http:
        services = await asyncio.gather(*(_services(server, http) for server in chosen))
    if options.json:
        print(json.dumps([_plain(*pair) for pair in zip(chosen, services, strict=True)]))
    else:
        for server, running in zip(chosen, services, strict=True):
            version = f"OpenCode {server.version or '?'}"
            print(f"{server.name}  {server.state}  {version}  {server.url}  {clean(server.directory)}")
            for service in running:
                error = f": {service.why}" if service.why else ""
                print(f"    {service.kind.upper()} {service.name}: {service.status}{error}")
    return OK if all(server.state == "healthy" for server in chosen) else FAILED


async def _services(server: FoundServer, http: aiohttp.ClientSession) -> tuple[Service, ...]:
    if server.state != "healthy":
        return ()
    try:
        return await read_services(Api(server.address, http))
    except LockedError:
        return ()


def _plain(server: FoundServer, services: tuple[Service, ...]) -> dict[str, Any]:
    """Return the JSON values of a server; `services` as in `status --json`."""
    return {
        **server.plain(),
        "services": [{"kind": s.kind, "name": s.name, "status": s.status, "error": s.why} for s in services],
    }
