"""Start servers in the background, each on a free port and with a new password."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

import msgspec
from msgspec import structs

from tray.actions.serve.errors import PortTakenError, ServeError
from tray.actions.serve.readiness import is_taken, wait_until_ready
from tray.actions.serve.started import identity_of, is_running
from tray.opencode.processes import local_url
from tray.storage.servers import StartedServer, read_servers, remove_server, write_server
from tray.system.background_process import ProcessIdentity, end_process_tree, launch, rotate_log
from tray.system.paths import Paths
from tray.system.programs import UnsafeArgumentError
from tray.system.tasks import run_all

FIRST_PORT, LAST_PORT = 4096, 5095  # the ports that are tried, from OpenCode's own default on
MAX_PARALLEL = 4  # starts at the same time; each uses a core for about a second


class ServerOptions(msgspec.Struct, frozen=True):
    """How to start a server."""

    directory: str
    program: str = "opencode"
    port: int = 0  # 0: the first free port from FIRST_PORT on
    hostname: str = "127.0.0.1"
    password: str | None = None  # None: generate a password; "": no password
    username: str = "opencode"
    arguments: tuple[str, ...] = ()  # further arguments of `opencode serve`


async def start(
    options: ServerOptions, paths: Paths, environment: Mapping[str, str], ports: Iterator[int] | None = None
) -> StartedServer:
    """Start a server and wait until it answers. Raises ServeError.

    Without a port in the options, the numbers from `ports` are tried in order.
    """
    program = await find_program(options)
    if options.port:
        try:
            return await _start_on(options.port, options, program, paths, environment)
        except PortTakenError:
            raise ServeError(f"port {options.port} is in use; omit --port to use a free one") from None
    used = {server.name for server in read_servers(paths.servers) if is_running(server)}
    for port in ports or count(FIRST_PORT):
        if port > LAST_PORT:
            break
        if str(port) in used or await asyncio.to_thread(is_taken, options.hostname, port):
            continue
        with suppress(PortTakenError):  # by another program, meanwhile
            return await _start_on(port, options, program, paths, environment)
    raise ServeError(f"no port between {FIRST_PORT} and {LAST_PORT} is free")


async def find_program(options: ServerOptions) -> str:
    """Return the path of the program to start. Raises ServeError if it or the directory does not exist."""
    if not await asyncio.to_thread(os.path.isdir, options.directory):
        raise ServeError(f"not a directory: {options.directory}")
    program = shutil.which(options.program)
    if program is None:
        raise ServeError(f"{options.program} was not found; set `attach.opencode` in the settings to its path")
    return program


async def start_many(
    options: ServerOptions, number: int, paths: Paths, environment: Mapping[str, str]
) -> list[StartedServer | ServeError]:
    """Start several servers; return each one, or the reason why it did not start.

    The first one starts alone: the first OpenCode of a machine creates its database, which two of 1.18 cannot do at
    the same time.
    """
    ports, slots = count(FIRST_PORT), asyncio.Semaphore(MAX_PARALLEL)
    started: list[StartedServer] = []

    async def start_next() -> StartedServer | ServeError:
        async with slots:
            try:
                server = await start(options, paths, environment, ports)
            except ServeError as error:
                return error
            started.append(server)
            return server

    try:
        return [await start_next(), *await run_all(start_next() for _ in range(number - 1))]
    except BaseException:  # after Ctrl-C: none of them may remain
        for server in started:
            await end_process_tree(identity_of(server))
            remove_server(paths.servers, server.name)
        raise


async def _start_on(
    port: int, options: ServerOptions, program: str, paths: Paths, environment: Mapping[str, str]
) -> StartedServer:
    """Start a server on this port. Raises ServeError and PortTakenError."""
    log = paths.server_logs / f"{port}.log"
    await asyncio.to_thread(rotate_log, log)
    log_start = await asyncio.to_thread(_size, log)
    password = secrets.token_urlsafe(24) if options.password is None else options.password
    command = [
        program,
        "serve",
        "--port",
        str(port),
        "--hostname",
        options.hostname,
        *options.arguments,
        "--print-logs",
    ]
    process = await _launch(command, options.directory, _with_login(environment, options.username, password), log)
    leader = ProcessIdentity.of(process.pid)
    temporary_name = f"{port}-{process.pid}"  # another server may still own the port, and the record with its number
    try:
        server = StartedServer(
            name=temporary_name, url=local_url(options.hostname, port), directory=options.directory,
            program=options.program, pid=process.pid, started=leader.started if leader else 0.0,
            boot=leader.boot if leader else "", log=str(log), options=options.arguments, hostname=options.hostname,
            username=options.username, password=password,
        )  # fmt: skip
        _write(paths, server)
        listener = await wait_until_ready(server, process, port, log_start)
        ready = structs.replace(server, name=str(port), pid=listener.pid, started=listener.started, boot=listener.boot)
        _write(paths, ready)
    except BaseException as error:  # whatever the reason, no process without a record may remain
        if leader is not None:
            await asyncio.shield(end_process_tree(leader))
        if isinstance(error, PortTakenError) and not log_start:
            with suppress(OSError):
                log.unlink()  # it contains only that the port is in use
        raise
    finally:
        remove_server(paths.servers, temporary_name)
    return ready


def _with_login(environment: Mapping[str, str], username: str, password: str) -> dict[str, str]:
    login = {"OPENCODE_SERVER_USERNAME": username, "OPENCODE_SERVER_PASSWORD": password}
    others = {name: value for name, value in environment.items() if name not in login}
    return {**others, **login} if password else others


async def _launch(
    command: list[str], folder: str, environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Launch the program; if cancelled meanwhile, end it again. Raises ServeError."""
    launching = asyncio.ensure_future(
        asyncio.to_thread(launch, command, folder=folder, environment=environment, log=log)
    )
    try:
        return await asyncio.shield(launching)
    except asyncio.CancelledError:
        process = await launching
        leader = ProcessIdentity.of(process.pid)
        if leader is not None:
            await end_process_tree(leader)
        raise
    except UnsafeArgumentError as error:
        raise ServeError(str(error)) from error
    except OSError as error:
        raise ServeError(f"cannot start {command[0]}: {error} (its log is {log})") from error


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def _write(paths: Paths, server: StartedServer) -> None:
    try:
        write_server(paths.servers, server)
    except OSError as error:
        raise ServeError(f"cannot write {paths.servers}: {error.strerror}") from error
