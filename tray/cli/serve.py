"""`serve`: OpenCode's servers in the background. Works with or without a running tray."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import os
import sys
import time
import webbrowser
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tray.actions.serve.listing import FoundServer, clean_up, find_servers, named
from tray.actions.serve.start import ServeError, ServerOptions, start, start_many
from tray.actions.serve.stop import restart, stop
from tray.cli.exit_codes import FAILED, OK
from tray.core.errors import UserError
from tray.core.loopback import is_loopback
from tray.core.model import Service
from tray.core.settings import SERVERS
from tray.core.text import age, clean
from tray.opencode.api import Api, LockedError
from tray.opencode.executable import opencode_program
from tray.opencode.services import read_services
from tray.storage.servers import StartedServer
from tray.storage.settings_file import load_settings
from tray.system.paths import Paths
from tray.system.programs import command_for

FOLLOW_EVERY = 0.2  # s between two looks at the end of a log
TAIL = 40  # lines of a log


class ServeUsageError(UserError):
    """What was asked for makes no sense together."""

    is_usage = True


def serve(options: argparse.Namespace) -> int:
    """Run one of the subcommands. Raises Problem."""
    return asyncio.run(_DEEDS[options.deed](options))


async def servers() -> list[FoundServer]:
    """All servers of this machine."""
    paths = Paths.of(os.environ)
    accounts = load_settings(paths.settings, os.environ, {})[SERVERS]
    return await find_servers(paths, accounts, os.environ)


# ---------------------------------------------------------------------- start, stop


async def _start(options: argparse.Namespace) -> int:
    paths = Paths.of(os.environ)
    settings = load_settings(paths.settings, os.environ, {})
    hostname = options.hostname or ("0.0.0.0" if options.mdns else "127.0.0.1")  # noqa: S104  # it is what mDNS is for
    password = _password(options.password)
    if password == "" and not is_loopback(hostname):
        raise ServeUsageError("a server that other machines can reach needs a password: leave --password out")
    if options.count > 1 and options.port:
        raise ServeUsageError("--port is for one server: leave it out, and each gets a free one")
    try:
        directory = str(Path(options.dir or ".").resolve())
    except OSError as error:
        raise ServeError("this folder is there no more: cd somewhere else, or say --dir") from error
    wish = ServerOptions(
        directory=directory,
        program=opencode_program(settings),
        port=options.port or 0,
        hostname=hostname,
        password=password,
        options=(
            *(word for origin in options.cors for word in ("--cors", origin)),
            *(["--mdns"] if options.mdns else []),
        ),
    )
    started: list[StartedServer | ServeError]
    if options.count > 1:
        started = await start_many(wish, options.count, paths, os.environ)
    else:
        started = [await start(wish, paths, os.environ)]
    ready = [one for one in started if isinstance(one, StartedServer)]
    failed = [one for one in started if isinstance(one, ServeError)]
    if options.json:
        told = [{"id": s.name, "url": s.url, "pid": s.pid, "directory": s.directory, "log": s.log} for s in ready]
        print(json.dumps({"started": told, "failed": [str(why) for why in failed]}))
    else:
        for server in ready:
            locked = "with a password" if server.password else "WITHOUT a password"
            print(f"{server.name}  {server.url}  {clean(server.directory)}  {locked}, process {server.pid}")
    for why in failed:
        print(f"opencode-tray: {why}", file=sys.stderr)
    return FAILED if failed else OK


def _password(told: str) -> str | None:
    """None: one is made. Never the password itself: an argument is there for everybody to read."""
    if told == "auto":
        return None
    if told == "none":
        return ""
    if told == "ask":
        try:
            typed = getpass.getpass("Password: ")
        except EOFError:
            typed = ""
        if not typed:
            raise ServeUsageError("no password was typed: --password auto makes one, --password none goes without")
        return typed
    name = told.removeprefix("env:")
    if told.startswith("env:") and os.environ.get(name):
        return os.environ[name]
    raise ServeUsageError("--password is auto, none, ask, or env:NAME for a variable that holds it")


async def _stop(options: argparse.Namespace) -> int:
    if bool(options.servers) == options.all:
        raise ServeUsageError("name the servers to stop, or --all for those that were started here")
    paths, found = Paths.of(os.environ), await servers()
    if options.all:
        chosen = [server for server in found if server.record is not None]
    else:
        chosen = [named(found, name) for name in options.servers]
    done = await asyncio.gather(*(stop(server, paths) for server in chosen))
    for one in done:
        print(one.message, file=sys.stdout if one.ok else sys.stderr)
    if not chosen:
        print("There is none that was started here.")
    return OK if all(one.ok for one in done) else FAILED


async def _restart(options: argparse.Namespace) -> int:
    server = await restart(named(await servers(), options.server), Paths.of(os.environ), os.environ)
    print(f"{server.name}  {server.url}  {clean(server.directory)}  process {server.pid}")
    return OK


async def _clean(options: argparse.Namespace) -> int:  # noqa: ARG001
    gone = await asyncio.to_thread(clean_up, Paths.of(os.environ))
    print("\n".join(f"Removed {what}" for what in gone) if gone else "There was nothing to clean up.")
    return OK


# ---------------------------------------------------------------------- look


async def _list(options: argparse.Namespace) -> int:
    found = await servers()
    if options.json:
        print(json.dumps([server.told() for server in found]))
        return OK
    if not found:
        print("No server runs. Start one: opencode-tray serve start")
        return OK
    table = Table(box=None, pad_edge=False)
    for column in ("ID", "STATE", "VERSION", "UP", "MEMORY", "CONN", "SESSIONS", "DIRECTORY", "STARTED BY", "LOG"):
        right = column in ("UP", "MEMORY", "CONN", "SESSIONS")
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    for server in found:
        table.add_row(*map(Text, _row(server)), style=_STYLES.get(server.state, ""))
    # Into a pipe each line is whole, however long; on a terminal that is too narrow each server gets three.
    console = Console(width=None if sys.stdout.isatty() else 1000, highlight=False)
    if Measurement.get(console, console.options.update(max_width=1000), table).maximum <= console.width:
        console.print(table)
    else:
        for server in found:
            console.print(Text(_block(server), style=_STYLES.get(server.state, "")), soft_wrap=True)
    return OK


_STYLES = {"ended": "bright_black", "silent": "red", "locked": "yellow", "starting": "blue"}


def _row(server: FoundServer) -> tuple[str, ...]:
    """What is told of it, in the order of the columns."""
    return (
        server.name,
        server.state,
        server.version or "-",
        _up(server),
        f"{server.memory / 1e6:.0f} MB" if server.memory else "-",
        str(server.connections) if server.runs else "-",
        "-" if server.sessions is None else str(server.sessions),
        clean(server.directory),
        clean(server.by),
        clean(server.log) or "-",
    )


def _block(server: FoundServer) -> str:
    """The same in lines of their own."""
    name, state, version, up, memory, connections, sessions, directory, by, log = _row(server)
    named = {"OpenCode": version, "up": up, "memory": memory, "conn": connections, "sessions": sessions}
    told = "  ".join((name, state, *(f"{what} {value}" for what, value in named.items() if value != "-")))
    return f"{told}\n      {directory}\n      started by {by}" + (f", log {log}" if server.log else "")


def _up(server: FoundServer) -> str:
    if not server.runs or not server.started:
        return "-"
    seconds = round(time.time() - server.started)
    return f"{seconds}s" if seconds < 60 else age(seconds * 1000)


async def _status(options: argparse.Namespace) -> int:
    found = await servers()
    chosen = [named(found, options.server)] if options.server else found
    async with aiohttp.ClientSession() as http:
        services = await asyncio.gather(*(_services(server, http) for server in chosen))
    if options.json:
        told = [
            {**server.told(), "services": [msgspec.structs.asdict(service) for service in its]}
            for server, its in zip(chosen, services, strict=True)
        ]
        print(json.dumps(told))
        return OK if all(server.state == "healthy" for server in chosen) else FAILED
    for server, its in zip(chosen, services, strict=True):
        print(
            f"{server.name}  {server.state}  OpenCode {server.version or '?'}  {server.url}  {clean(server.directory)}"
        )
        for service in its:
            why = f": {service.why}" if service.why else ""
            print(f"    {service.kind.upper()} {service.name}: {service.status}{why}")
    return OK if all(server.state == "healthy" for server in chosen) else FAILED


async def _services(server: FoundServer, http: aiohttp.ClientSession) -> tuple[Service, ...]:
    if server.state != "healthy":
        return ()
    try:
        return await read_services(Api(server.address, http))
    except LockedError:
        return ()


async def _logs(options: argparse.Namespace) -> int:
    server = named(await servers(), options.server)
    if not server.log:
        raise ServeError(f"{server.name} was not started here, and its log is not known")
    path = Path(server.log)
    try:
        with path.open("rb") as stream:
            *lines, begun = stream.read()[-2_000_000:].split(b"\n")
            if begun and not options.follow:
                lines.append(begun)
            _print(lines[-options.lines :])
            while options.follow:
                if path.stat().st_size < stream.tell():  # begun anew
                    stream.seek(0)
                *lines, begun = (begun + stream.read()).split(b"\n")
                _print(lines)
                await asyncio.sleep(FOLLOW_EVERY)
    except BrokenPipeError:  # `| head`
        raise
    except OSError as error:
        raise ServeError(f"{path}: {error.strerror}") from error
    return OK


def _print(lines: Iterable[bytes]) -> None:
    for line in lines:
        print(clean(line.decode("utf-8", "replace")), flush=True)


# ---------------------------------------------------------------------- go there


async def _open(options: argparse.Namespace) -> int:
    server = named(await servers(), options.server)
    print(server.url)
    if server.password:
        print(f"It asks for a password: user {server.username}; opencode-tray serve password {server.name} shows it")
    await asyncio.to_thread(webbrowser.open, server.url)
    return OK


async def _show_password(options: argparse.Namespace) -> int:
    server = named(await servers(), options.server)
    if not server.password:
        raise ServeError(f"{server.name} has no password, or none that is known here")
    print(server.password)
    return OK


async def _attach(options: argparse.Namespace) -> int:
    """OpenCode's terminal UI on that server takes this terminal."""
    server = named(await servers(), options.server)
    if server.state != "healthy":
        raise ServeError(f"{server.name} does not answer ({server.state})")
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        raise ServeUsageError("attach takes a terminal: run it in one")
    program = opencode_program(load_settings(Paths.of(os.environ).settings, os.environ, {}))
    login = {"OPENCODE_SERVER_USERNAME": server.username, "OPENCODE_SERVER_PASSWORD": server.password}
    environment = {**os.environ, **(login if server.password else {})}
    command = command_for([program, "attach", server.url, "--dir", server.directory])
    try:
        process = await asyncio.create_subprocess_exec(*command, env=environment)
    except OSError as error:
        raise ServeError(f"{program} could not be started: {error}") from error
    try:
        return await process.wait()
    finally:  # its Ctrl-C is its own; whatever ends us otherwise ends it too
        if process.returncode is None:
            process.terminate()
            await process.wait()


_DEEDS: Mapping[str, Callable[[argparse.Namespace], Coroutine[Any, Any, int]]] = {
    "start": _start,
    "list": _list,
    "status": _status,
    "stop": _stop,
    "restart": _restart,
    "logs": _logs,
    "open": _open,
    "attach": _attach,
    "password": _show_password,
    "clean": _clean,
}
