"""Find the OpenCode servers on this machine, with their state, resources and origin."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil
from msgspec.structs import replace

from tray.actions.serve.errors import ServeError
from tray.actions.serve.started import is_running
from tray.core.remote_hosts import HttpServer
from tray.core.source_calls import CallError
from tray.core.text import clean
from tray.opencode.api import Api, LockedError, ServerAddress
from tray.opencode.processes import OpenCodeProcess, listening_addresses, local_url, running_processes
from tray.opencode.session_count import count_sessions
from tray.storage.servers import StartedServer, read_servers, remove_server
from tray.system.paths import Paths

HEALTH_TIMEOUT = 2.0  # s


class FoundServer(msgspec.Struct, frozen=True):
    """A server that is running, or that was started by the tray and has ended."""

    name: str  # its ID: its port, or "pid-N" if its port is unknown
    state: str  # "healthy", "locked", "silent", "starting", "ended"
    url: str = ""
    directory: str = ""
    version: str = ""
    pid: int = 0
    started: float = 0.0  # s since the Unix epoch
    memory: int = 0  # bytes
    connections: int = 0
    sessions: int | None = None
    log: str = ""
    started_by: str = ""  # "opencode-tray", or name and ID of the parent process
    is_server: bool = True  # False: a terminal UI that has a port as well
    record: StartedServer | None = None  # None: not started by the tray
    password: str = ""
    username: str = "opencode"

    def __repr__(self) -> str:
        """Omit the password."""
        return f"FoundServer({self.name}, {self.state})"

    @property
    def is_running(self) -> bool:
        """Whether its process is running."""
        return self.state != "ended"

    @property
    def takes_prompts(self) -> bool:
        """Whether prompts without a server ID may go to it: it was started by the tray and is healthy."""
        return self.record is not None and self.state == "healthy"

    @property
    def address(self) -> ServerAddress:
        """Its URL and login. Raises ServeError if its port is unknown."""
        if not self.url:
            raise ServeError(f"{self.name} has no known port, so it cannot be called over HTTP")
        return ServerAddress(self.url, self.username, self.password, self.pid)

    def plain(self) -> dict[str, Any]:
        """Return the server as JSON values, without the password."""
        return {
            "id": self.name,
            "state": self.state,
            "url": self.url,
            "directory": self.directory,
            "version": self.version,
            "pid": self.pid,
            "uptime": round(time.time() - self.started) if self.is_running and self.started else None,
            "memory": self.memory,
            "connections": self.connections,
            "sessions": self.sessions,
            "log": self.log,
            "started_by": self.started_by,
            "terminal_ui": not self.is_server,
        }


async def find_servers(
    paths: Paths,
    accounts: Collection[HttpServer],
    environment: Mapping[str, str],
    health_timeout: float = HEALTH_TIMEOUT,
) -> list[FoundServer]:
    """Return all servers sorted by name, including ended servers that the tray started. Changes no file.

    `accounts` are the servers of the settings, with their passwords or the variables of `environment` that hold them.
    """
    found = await asyncio.to_thread(_find, paths, accounts, environment)
    async with aiohttp.ClientSession() as http:
        return list(await asyncio.gather(*(_with_health(server, http, health_timeout) for server in found)))


def select_server(servers: Collection[FoundServer], server_id: str) -> FoundServer:
    """Return the server with this name, else with this URL, else with this process ID. Raises ServeError.

    A running server is preferred to one that has ended.
    """
    running_first = sorted(servers, key=lambda server: not server.is_running)
    by_name = [server for server in running_first if server.name == server_id]
    by_url = [server for server in running_first if server.url == server_id]
    by_pid = [server for server in running_first if server.is_running and str(server.pid) == server_id]
    if server_id and (matches := [*by_name, *by_url, *by_pid]):
        return matches[0]
    known = ", ".join(server.name for server in servers) or "none"
    raise ServeError(f"unknown server {server_id!r}; known servers: {known}")


def clean_up(paths: Paths) -> list[str]:
    """Remove the records of servers that have ended, and all logs of servers that are not running.

    Returns what was removed, as text for the user.
    """
    records = read_servers(paths.servers)
    running = [record for record in records if is_running(record)]
    ended = [record.name for record in records if record not in running]
    for name in ended:
        remove_server(paths.servers, name)
    stems = {Path(record.log).stem for record in running}
    stems |= {file.stem for file in paths.servers.glob("*.json")}  # an unreadable record may be of a running server
    kept = {name for stem in stems for name in (f"{stem}.log", f"{stem}.log.1")}
    removed = [f"server {name}" for name in ended]
    for log in paths.server_logs.glob("*.log*"):
        if log.name not in kept:
            with suppress(OSError):
                log.unlink()
                removed.append(str(log))
    return removed


def _find(paths: Paths, accounts: Collection[HttpServer], environment: Mapping[str, str]) -> list[FoundServer]:
    records, processes = read_servers(paths.servers), running_processes()
    data = {process.pid: process.data for process in processes}
    recorded = [_of_record(record, data.get(record.pid)) for record in records]
    own = {server.pid for server in recorded if server.is_running}
    passwords = {
        account.url.rstrip("/"): account.password or environment.get(account.password_env, "") for account in accounts
    }
    others = (process for process in processes if process.pid not in own and not own & _ancestors(process.pid))
    found = [*recorded, *_of_processes(others, passwords)]
    return sorted(found, key=lambda server: (len(server.name), server.name))


def _of_processes(processes: Iterator[OpenCodeProcess], passwords: Mapping[str, str]) -> Iterator[FoundServer]:
    """Yield the servers that the tray did not start. `passwords` are those of the settings, by URL."""
    for process in processes:
        addresses = listening_addresses(process.pid)
        if not addresses and not process.is_server:
            continue
        url = local_url(*addresses[0]) if addresses else ""
        yield FoundServer(
            name=str(addresses[0][1]) if addresses else f"pid-{process.pid}",
            state="silent",
            url=url,
            directory=process.directory,
            pid=process.pid,
            started_by=_parent(process.pid),
            is_server=process.is_server,
            username=process.environment.get("OPENCODE_SERVER_USERNAME") or "opencode",
            password=passwords.get(url) or process.environment.get("OPENCODE_SERVER_PASSWORD", ""),
            sessions=count_sessions(process.data, process.directory),
            **_resources(process.pid),
        )


def _of_record(record: StartedServer, data: Path | None) -> FoundServer:
    running = is_running(record)
    state = "ended" if not running else "starting" if "-" in record.name else "silent"
    return FoundServer(
        name=record.name,
        state=state,
        url=record.url,
        directory=record.directory,
        pid=record.pid,
        log=record.log,
        started_by="opencode-tray",
        record=record,
        username=record.username,
        password=record.password,
        sessions=count_sessions(data, record.directory) if data is not None else None,
        **(_resources(record.pid) if running else {}),
    )


def _resources(pid: int) -> dict[str, Any]:
    """Return start time, memory and number of connections of a process; {} if it has just ended."""
    try:
        process = psutil.Process(pid)
        ports = {port for _, port in listening_addresses(pid)}
        connections = (
            connection.laddr
            for connection in process.net_connections(kind="tcp")
            if connection.status == psutil.CONN_ESTABLISHED and connection.laddr
        )
        return {
            "started": process.create_time(),
            "memory": process.memory_info().rss,
            "connections": sum(address.port in ports for address in connections),
        }
    except (psutil.Error, OSError):
        return {}


def _ancestors(pid: int) -> set[int]:
    try:
        return {parent.pid for parent in psutil.Process(pid).parents()}
    except psutil.Error:
        return set()


def _parent(pid: int) -> str:
    try:
        parent = psutil.Process(pid).parent()
        return f"{parent.name()} ({parent.pid})" if parent is not None else ""
    except psutil.Error:
        return ""


async def _with_health(server: FoundServer, http: aiohttp.ClientSession, health_timeout: float) -> FoundServer:
    """Return the server with its state and version according to its health check."""
    if not server.is_running or not server.url:
        return server
    api = Api(server.address, http)
    try:
        async with asyncio.timeout(health_timeout):
            health = await api.get("/global/health")
        if not isinstance(health, dict) or not health.get("healthy"):
            return server
        return replace(server, state="healthy", version=clean(str(health.get("version", "")))[:64])
    except LockedError:
        return replace(server, state="locked")
    except (CallError, TimeoutError):
        return server
