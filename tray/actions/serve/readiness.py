"""Wait until a server that was just started answers, or find out why it does not."""

from __future__ import annotations

import asyncio
import errno
import socket
import subprocess
from pathlib import Path

import aiohttp
import psutil

from tray.actions.serve.errors import PortTakenError, ServeError
from tray.core.source_calls import CallError
from tray.core.text import clean
from tray.files.reading import open_regular, seek_near_end
from tray.opencode.api import Api, LockedError, ServerAddress
from tray.opencode.processes import listening_addresses
from tray.storage.servers import StartedServer
from tray.system.background_process import ProcessIdentity

READY_TIMEOUT = 30.0  # s
POLL_INTERVAL = 0.05  # s
HEALTH_TIMEOUT = 0.5  # s for one answer of a server that has just started
LOG_LINES = 20  # lines of the log in the error message
MAX_READ = 20_000  # bytes at the end of the log in which they are looked for


async def wait_until_ready(
    server: StartedServer, process: subprocess.Popen[bytes], port: int, log_start: int
) -> ProcessIdentity:
    """Wait until the server answers; return the process that listens: npm's `opencode` is only its parent.

    `log_start` is the size of the log in bytes before this start. Raises ServeError and PortTakenError.
    """
    log = Path(server.log)
    deadline = asyncio.get_running_loop().time() + READY_TIMEOUT
    listener: ProcessIdentity | None = None
    async with aiohttp.ClientSession() as http:
        while asyncio.get_running_loop().time() < deadline:
            if process.poll() is not None:
                if await asyncio.to_thread(is_taken, server.hostname, port):
                    raise PortTakenError
                raise ServeError(f"the server ended at once ({process.returncode}):\n{last_log_lines(log, log_start)}")
            listener = await asyncio.to_thread(_listener, process.pid, port)
            if listener is not None and await _is_healthy(server, http):
                return listener
            await asyncio.sleep(POLL_INTERVAL)
    hint = "; OpenCode before 1.1 has no health check: run opencode upgrade" if listener is not None else ""
    raise ServeError(f"the server did not answer within {READY_TIMEOUT:g} s{hint}:\n{last_log_lines(log, log_start)}")


async def _is_healthy(server: StartedServer, http: aiohttp.ClientSession) -> bool:
    api = Api(ServerAddress(server.url, server.username, server.password, server.pid), http)
    try:
        async with asyncio.timeout(HEALTH_TIMEOUT):
            health = await api.get("/global/health")
    except (CallError, TimeoutError):  # OpenCode never answers some requests that arrive while it starts
        return False
    except LockedError:
        raise ServeError(f"the server at {server.url} refuses the password that it was started with") from None
    return isinstance(health, dict) and bool(health.get("healthy"))


def _listener(pid: int, port: int) -> ProcessIdentity | None:
    """Return the process that listens on the port, of this process and its descendants; None if there is none."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return None
    for member in family:
        if any(taken == port for _, taken in listening_addresses(member.pid)):
            return ProcessIdentity.of(member.pid)
    return None


def is_taken(hostname: str, port: int) -> bool:
    """Return whether a server cannot listen on the port because it is in use or not allowed."""
    family = socket.AF_INET6 if ":" in hostname else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((hostname, port))
        except OSError as error:
            return error.errno in (errno.EADDRINUSE, errno.EACCES)
    return False


def last_log_lines(log: Path, log_start: int) -> str:
    """Return the last lines that this start has written to the log, as plain text."""
    try:
        with open_regular(log) as stream:
            seek_near_end(stream, MAX_READ, log_start)
            text = stream.read(MAX_READ).decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [shown for line in text.splitlines() if (shown := clean(line))]
    return "\n".join(f"  {line[:300]}" for line in lines[-LOG_LINES:])
