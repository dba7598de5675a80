"""Starting a server in the background: its port found by trying, its readiness waited for, its password made."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

import aiohttp
import msgspec
import psutil
from msgspec import structs

from tray.core.errors import UserError
from tray.core.source_calls import CallError
from tray.core.text import clean
from tray.opencode.api import Api, LockedError, ServerAddress
from tray.opencode.processes import listening_addresses, local_url
from tray.storage.servers import StartedServer, read_servers, remove_server, write_server
from tray.system.background_process import ProcessIdentity, end_process_tree, launch, rotate_log
from tray.system.paths import Paths
from tray.system.programs import UnsafeArgumentError
from tray.system.tasks import run_all

FIRST_PORT, LAST_PORT = 4096, 5095  # OpenCode's own default, and where the search ends
READY_WITHIN = 30.0  # s that a server gets to answer
LOOK_EVERY = 0.05  # s
ANSWERS_WITHIN = 0.5  # s that a server which has just started gets for one answer
LOG_LINES = 20  # of the log that are shown when it does not start
AT_ONCE = 4  # starts; each is a second of a core


class ServeError(UserError):
    """It did not start, or cannot be used; the text says why, and what to do."""


class _PortTakenError(Exception):
    """Somebody else has the port."""


class ServerOptions(msgspec.Struct, frozen=True):
    """A server as a person wants it."""

    directory: str
    program: str = "opencode"
    port: int = 0  # 0: the first free one from FIRST_PORT
    hostname: str = "127.0.0.1"
    password: str | None = None  # None: one is made; "": none
    username: str = "opencode"
    options: tuple[str, ...] = ()  # more of `opencode serve`'s


async def start(
    wish: ServerOptions, paths: Paths, environment: Mapping[str, str], ports: Iterator[int] | None = None
) -> StartedServer:
    """Start a server and wait until it answers. `ports` are tried one after the other. Raises ServeError."""
    program = await check(wish)
    known = {server.name for server in read_servers(paths.servers) if identity(server).process() is not None}
    for port in [wish.port] if wish.port else (ports or count(FIRST_PORT)):
        if str(port) in known and not wish.port:
            continue  # one of ours has it
        if port > LAST_PORT and not wish.port:
            break
        try:
            return await _start_at(port, wish, program, paths, environment)
        except _PortTakenError:
            if wish.port:
                raise ServeError(f"port {port} is taken; without --port a free one is found") from None
    raise ServeError(f"no free port between {FIRST_PORT} and {LAST_PORT}")


async def check(wish: ServerOptions) -> str:
    """The program that would be started. Raises ServeError where that cannot be."""
    if not await asyncio.to_thread(os.path.isdir, wish.directory):
        raise ServeError(f"{wish.directory} is no directory")
    program = shutil.which(wish.program)
    if program is None:
        raise ServeError(f"{wish.program} was not found; set `attach.opencode` in the settings to its path")
    return program


async def start_many(
    wish: ServerOptions, number: int, paths: Paths, environment: Mapping[str, str]
) -> list[StartedServer | ServeError]:
    """Start several of them; each is one that runs, or the reason why it does not.

    The first alone, then some at a time: the first OpenCode of a machine makes its database, which 1.18 cannot do twice
    at once.
    """
    ports, room = count(FIRST_PORT), asyncio.Semaphore(AT_ONCE)
    ready: list[StartedServer] = []

    async def one() -> StartedServer | ServeError:
        async with room:
            try:
                ready.append(await start(wish, paths, environment, ports))
            except ServeError as error:
                return error
            return ready[-1]

    try:
        return [await one(), *await run_all(one() for _ in range(number - 1))]
    except BaseException:  # Ctrl-C: those that are up already are part of what was called off
        for server in ready:
            await end_process_tree(identity(server))
            remove_server(paths.servers, server.name)
        raise


def identity(server: StartedServer) -> ProcessIdentity:
    """Which process it is."""
    return ProcessIdentity(server.pid, server.started, server.boot)


def api_of(server: StartedServer, http: aiohttp.ClientSession) -> Api:
    """Its interface, with its password."""
    return Api(ServerAddress(server.url, server.username, server.password, server.pid), http)


async def _start_at(
    port: int, wish: ServerOptions, program: str, paths: Paths, environment: Mapping[str, str]
) -> StartedServer:
    """Raises ServeError, or _PortTakenError."""
    log = paths.server_logs / f"{port}.log"
    await asyncio.to_thread(rotate_log, log)
    begins = await asyncio.to_thread(_size, log)
    password = secrets.token_urlsafe(24) if wish.password is None else wish.password
    given = {**environment, "OPENCODE_SERVER_USERNAME": wish.username, "OPENCODE_SERVER_PASSWORD": password}
    if not password:
        del given["OPENCODE_SERVER_PASSWORD"], given["OPENCODE_SERVER_USERNAME"]
    command = [program, "serve", "--port", str(port), "--hostname", wish.hostname, *wish.options]
    process = await _launched([*command, "--print-logs"], wish.directory, given, log)
    leader = ProcessIdentity.of(process.pid)
    starting = f"{port}-{process.pid}"  # the port may be another's still, and so its name
    try:
        server = StartedServer(
            name=starting, url=local_url(wish.hostname, port), directory=wish.directory, program=wish.program,
            pid=process.pid, started=leader.started if leader else 0.0, boot=leader.boot if leader else "",
            log=str(log), options=wish.options, hostname=wish.hostname, username=wish.username, password=password,
        )  # fmt: skip
        _keep(paths, server)
        owner = await _ready(server, process, port, log, begins)
        ready = structs.replace(server, name=str(port), pid=owner.pid, started=owner.started, boot=owner.boot)
        _keep(paths, ready)
    except BaseException as stopped:  # whatever stops us, nothing is left behind that nobody knows of
        if leader is not None:
            await asyncio.shield(end_process_tree(leader))
        if isinstance(stopped, _PortTakenError) and not begins:
            with suppress(OSError):
                log.unlink()  # all that it says is that the port is another's
        raise
    finally:
        remove_server(paths.servers, starting)
    return ready


async def _launched(
    command: list[str], folder: str, environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start it; when cancelled while it starts, it is ended again. Raises ServeError."""
    starting = asyncio.ensure_future(
        asyncio.to_thread(launch, command, folder=folder, environment=environment, log=log)
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        process = await starting
        leader = ProcessIdentity.of(process.pid)
        if leader is not None:
            await end_process_tree(leader)
        raise
    except UnsafeArgumentError as error:
        raise ServeError(str(error)) from error
    except OSError as error:
        raise ServeError(f"{command[0]} could not be started: {error} (its log is {log})") from error


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def _keep(paths: Paths, server: StartedServer) -> None:
    try:
        write_server(paths.servers, server)
    except OSError as error:
        raise ServeError(f"{paths.servers} cannot be written: {error}") from error


async def _ready(
    server: StartedServer, process: subprocess.Popen[bytes], port: int, log: Path, begins: int
) -> ProcessIdentity:
    """The process that listens, once it answers; npm's `opencode` is only its parent."""
    deadline = asyncio.get_running_loop().time() + READY_WITHIN
    owner: ProcessIdentity | None = None
    async with aiohttp.ClientSession() as http:
        while asyncio.get_running_loop().time() < deadline:
            if process.poll() is not None:
                if await asyncio.to_thread(_is_taken, server.hostname, port):
                    raise _PortTakenError
                raise ServeError(f"it ended at once ({process.returncode}):\n{_last_lines(log, begins)}")
            owner = await asyncio.to_thread(_listener, process.pid, port)
            if owner is not None and await _answers(server, http):
                return owner
            await asyncio.sleep(LOOK_EVERY)
    older = "; before 1.1 OpenCode cannot be asked: run opencode upgrade" if owner is not None else ""
    raise ServeError(f"it did not answer within {READY_WITHIN:g} s{older}:\n{_last_lines(log, begins)}")


async def _answers(server: StartedServer, http: aiohttp.ClientSession) -> bool:
    try:
        async with asyncio.timeout(ANSWERS_WITHIN):
            health = await api_of(server, http).get("/global/health")
    except (CallError, TimeoutError):  # it forgets about a request that comes while it starts
        return False
    except LockedError:
        raise ServeError(f"what answers at {server.url} does not take the password that was made for it") from None
    return isinstance(health, dict) and bool(health.get("healthy"))


def _listener(pid: int, port: int) -> ProcessIdentity | None:
    """Which of the process and those that it has started takes connections on the port."""
    try:
        process = psutil.Process(pid)
        everyone: Iterable[psutil.Process] = (process, *process.children(recursive=True))
    except psutil.Error:
        return None
    for one in everyone:
        if any(taken == port for _, taken in listening_addresses(one.pid)):
            return ProcessIdentity.of(one.pid)
    return None


def _is_taken(hostname: str, port: int) -> bool:
    """Whether somebody has the port that a server has just failed to get."""
    family = socket.AF_INET6 if ":" in hostname else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((hostname, port))
        except OSError as error:
            return error.errno in (errno.EADDRINUSE, errno.EACCES)
    return False


def _last_lines(log: Path, begins: int) -> str:
    """The end of what this start has written, in plain text."""
    try:
        with log.open("rb") as stream:
            stream.seek(begins)
            text = stream.read()[-20_000:].decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [shown for line in text.splitlines() if (shown := clean(line))]
    return "\n".join(f"  {line[:300]}" for line in lines[-LOG_LINES:])
