"""`serve start`, `stop`, `restart` and `clean`."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import os
import sys
from pathlib import Path

from tray.actions.serve.errors import ServeError
from tray.actions.serve.listing import clean_up, select_server
from tray.actions.serve.start import ServerOptions, start_many
from tray.actions.serve.start import start as start_one
from tray.actions.serve.stop import restart as restart_server
from tray.actions.serve.stop import stop as stop_server
from tray.cli.exit_codes import FAILED, OK
from tray.cli.serve_common import ServeUsageError, server_with_id, servers
from tray.core.loopback import is_loopback
from tray.core.text import clean
from tray.opencode.executable import opencode_program
from tray.storage.servers import StartedServer
from tray.storage.settings_file import load_settings
from tray.system.paths import Paths


async def start(options: argparse.Namespace) -> int:
    """Start servers and print them. Exit code 1 if one of several did not start. Raises UserError."""
    wanted, paths = _server_options(options), Paths.of(os.environ)
    results: list[StartedServer | ServeError]
    if options.count > 1:
        results = await start_many(wanted, options.count, paths, os.environ)
    else:
        results = [await start_one(wanted, paths, os.environ)]
    started = [result for result in results if isinstance(result, StartedServer)]
    errors = [result for result in results if isinstance(result, ServeError)]
    if options.json:
        records = [{"id": s.name, "url": s.url, "pid": s.pid, "directory": s.directory, "log": s.log} for s in started]
        print(json.dumps({"started": records, "failed": [str(error) for error in errors]}))
    else:
        for server in started:
            password = "with a password" if server.password else "WITHOUT a password"
            print(f"{server.name}  {server.url}  {clean(server.directory)}  {password}, process {server.pid}")
    for error in errors:
        print(f"opencode-tray: {error}", file=sys.stderr)
    return FAILED if errors else OK


def _server_options(options: argparse.Namespace) -> ServerOptions:
    hostname = options.hostname or ("0.0.0.0" if options.mdns else "127.0.0.1")  # noqa: S104  # mDNS is for others
    password = _password(options.password)
    if password == "" and not is_loopback(hostname):
        raise ServeUsageError("a server that other machines can reach needs a password; remove --password none")
    if options.count > 1 and options.port:
        raise ServeUsageError("--port works only for a single server; without it each server gets a free port")
    try:
        directory = str(Path(options.dir or ".").resolve())
    except OSError as error:
        raise ServeError("the current directory no longer exists; pass --dir") from error
    return ServerOptions(
        directory=directory,
        program=opencode_program(load_settings(Paths.of(os.environ).settings, os.environ, {})),
        port=options.port or 0,
        hostname=hostname,
        password=password,
        arguments=(
            *(word for origin in options.cors for word in ("--cors", origin)),
            *(["--mdns"] if options.mdns else []),
        ),
    )


def _password(source: str) -> str | None:
    """Return the password; None: generate one; "": none. The option never holds it: arguments are public."""
    if source == "auto":
        return None
    if source == "none":
        return ""
    if source == "ask":
        try:
            typed = getpass.getpass("Password: ")
        except EOFError:
            typed = ""
        if not typed:
            raise ServeUsageError("no password was typed; use --password auto to generate one, or --password none")
        return typed
    variable = source.removeprefix("env:")
    if source.startswith("env:") and os.environ.get(variable):
        return os.environ[variable]
    raise ServeUsageError("--password must be auto, none, ask, or env:NAME with the name of a variable that is set")


async def stop(options: argparse.Namespace) -> int:
    """Stop servers. Exit code 1 if one of them could not be stopped. Raises UserError."""
    if bool(options.servers) == options.all:
        raise ServeUsageError("pass the IDs of the servers to stop, or --all")
    paths, found = Paths.of(os.environ), await servers()
    if options.all:
        chosen = [server for server in found if server.record is not None]
    else:
        chosen = [select_server(found, server_id) for server_id in options.servers]
    results = await asyncio.gather(*(stop_server(server, paths) for server in chosen))
    for result in results:
        print(result.message, file=sys.stdout if result.ok else sys.stderr)
    if not chosen:
        print("No servers were started by opencode-tray.")
    return OK if all(result.ok for result in results) else FAILED


async def restart(options: argparse.Namespace) -> int:
    """Restart a server with the same options. Raises UserError."""
    server = await restart_server(await server_with_id(options.server), Paths.of(os.environ), os.environ)
    print(f"{server.name}  {server.url}  {clean(server.directory)}  process {server.pid}")
    return OK


async def remove_ended(options: argparse.Namespace) -> int:  # noqa: ARG001
    """Remove the records and logs of servers that have ended."""
    removed = await asyncio.to_thread(clean_up, Paths.of(os.environ))
    print("\n".join(f"Removed {what}" for what in removed) if removed else "Nothing to clean up.")
    return OK
