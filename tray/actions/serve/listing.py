"""Every OpenCode server on this machine: who it is, how it is, who started it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil
from msgspec.structs import replace

from tray.actions.serve.start import ServeError, identity
from tray.core.remote_hosts import HttpServer
from tray.core.source_calls import CallError
from tray.core.text import clean
from tray.opencode.api import Api, LockedError, ServerAddress
from tray.opencode.processes import OpenCodeProcess, listening_addresses, local_url, running_processes
from tray.opencode.session_count import count_sessions
from tray.storage.servers import StartedServer, read_servers, remove_server
from tray.system.paths import Paths

ANSWERS_WITHIN = 2.0  # s that a server gets to say how it is; a hung one costs no more

OURS = "opencode-tray"


class FoundServer(msgspec.Struct, frozen=True):
    """One server, running or not."""

    name: str  # its port, or where it has none that is known, "pid-" and its number
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
    by: str = ""  # who started it
    is_server: bool = True  # False: a terminal UI that has a port as well
    record: StartedServer | None = None
    password: str = ""
    username: str = "opencode"

    def __repr__(self) -> str:
        """Without the password."""
        return f"FoundServer({self.name}, {self.state})"

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self.state != "ended"

    @property
    def takes_prompts(self) -> bool:
        """Whether a prompt that names no server may go to it: it was started here, for that, and answers."""
        return self.record is not None and self.state == "healthy"

    @property
    def address(self) -> ServerAddress:
        """Where it is, and the way in."""
        return ServerAddress(self.url, self.username, self.password, self.pid)

    def told(self) -> dict[str, Any]:
        """As plain JSON values, without the password."""
        return {
            "id": self.name,
            "state": self.state,
            "url": self.url,
            "directory": self.directory,
            "version": self.version,
            "pid": self.pid,
            "uptime": round(time.time() - self.started) if self.runs and self.started else None,
            "memory": self.memory,
            "connections": self.connections,
            "sessions": self.sessions,
            "log": self.log,
            "started_by": self.by,
            "terminal_ui": not self.is_server,
        }


async def find_servers(
    paths: Paths,
    accounts: Collection[HttpServer],
    environment: Mapping[str, str],
    patience: float = ANSWERS_WITHIN,
) -> list[FoundServer]:
    """Return all servers by name, also those started here that have ended. Changes no file. `patience`: s."""
    records = await asyncio.to_thread(read_servers, paths.servers)
    found = await asyncio.to_thread(_merge, records, running_processes, accounts, environment)
    async with aiohttp.ClientSession() as http:
        return list(await asyncio.gather(*(_examined(server, http, patience) for server in found)))


def named(servers: Collection[FoundServer], name: str) -> FoundServer:
    """The one that is called so: by its port, else its address, else its process; one that runs before one that has.

    Raises ServeError.
    """
    running_first = sorted(servers, key=lambda server: not server.runs)
    calls: tuple[Callable[[FoundServer], str], ...] = (
        lambda server: server.name,
        lambda server: server.url,
        lambda server: str(server.pid) if server.runs else "",
    )
    for call in calls:
        for server in running_first:
            if name and call(server) == name:
                return server
    there = ", ".join(server.name for server in servers) or "none"
    raise ServeError(f"there is no server {name!r}; there are: {there}")


def clean_up(paths: Paths) -> list[str]:
    """Forget the servers that have ended, and remove all logs but of those that run; returns what went, in words."""
    records = read_servers(paths.servers)
    alive = [record for record in records if identity(record).process() is not None]
    gone = [record.name for record in records if record not in alive]
    for name in gone:
        remove_server(paths.servers, name)
    names = {Path(record.log).stem for record in alive}
    names |= {file.stem for file in paths.servers.glob("*.json")}  # what cannot be read may be one that runs
    kept = {name for stem in names for name in (f"{stem}.log", f"{stem}.log.1")}
    logs = [log for log in paths.server_logs.glob("*.log*") if log.name not in kept]
    for log in logs:
        with suppress(OSError):
            log.unlink()
    return [*(f"server {name}" for name in gone), *(str(log) for log in logs)]


def _merge(
    records: Collection[StartedServer],
    look: Callable[[], Collection[OpenCodeProcess]],
    accounts: Collection[HttpServer],
    environment: Mapping[str, str],
) -> list[FoundServer]:
    processes = look()
    data = {process.pid: process.data for process in processes}
    found = [_of_record(record, data.get(record.pid)) for record in records]
    ours = {server.pid for server in found if server.runs}
    passwords = {one.url.rstrip("/"): one.password or environment.get(one.password_env, "") for one in accounts}
    for process in processes:
        if process.pid in ours or ours.intersection(_above(process.pid)):
            continue
        ports = listening_addresses(process.pid)
        if not ports and not process.is_server:
            continue
        url = local_url(*ports[0]) if ports else ""
        given = process.environment
        found.append(
            FoundServer(
                name=str(ports[0][1]) if ports else f"pid-{process.pid}",
                state="silent",
                url=url,
                directory=process.directory,
                pid=process.pid,
                by=_parent(process.pid),
                is_server=process.is_server,
                username=given.get("OPENCODE_SERVER_USERNAME") or "opencode",
                password=passwords.get(url) or given.get("OPENCODE_SERVER_PASSWORD", ""),
                sessions=count_sessions(process.data, process.directory),
                **_measured(process.pid),
            )
        )
    return sorted(found, key=lambda server: (len(server.name), server.name))


def _of_record(record: StartedServer, data: Path | None) -> FoundServer:
    process = identity(record).process()
    state = "ended" if process is None else "starting" if "-" in record.name else "silent"
    return FoundServer(
        name=record.name,
        state=state,
        url=record.url,
        directory=record.directory,
        pid=record.pid,
        log=record.log,
        by=OURS,
        record=record,
        username=record.username,
        password=record.password,
        sessions=count_sessions(data, record.directory) if data is not None else None,
        **(_measured(record.pid) if process is not None else {}),
    )


def _measured(pid: int) -> dict[str, Any]:
    """What the system tells of its process; nothing of one that has just ended."""
    try:
        process = psutil.Process(pid)
        established = [c for c in process.net_connections(kind="tcp") if c.status == psutil.CONN_ESTABLISHED]
        ports = {port for _, port in listening_addresses(pid)}
        return {
            "started": process.create_time(),
            "memory": process.memory_info().rss,
            "connections": sum(1 for c in established if c.laddr and c.laddr.port in ports),
        }
    except (psutil.Error, OSError):
        return {}


def _above(pid: int) -> set[int]:
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


async def _examined(server: FoundServer, http: aiohttp.ClientSession, patience: float) -> FoundServer:
    """Ask it how it is."""
    if not server.runs or not server.url:
        return server
    api = Api(server.address, http)
    try:
        async with asyncio.timeout(patience):
            health = await api.get("/global/health")
        if not isinstance(health, dict) or not health.get("healthy"):
            return server
        return replace(server, state="healthy", version=clean(str(health.get("version", "")))[:64])
    except LockedError:
        return replace(server, state="locked")
    except (CallError, TimeoutError):
        return server
