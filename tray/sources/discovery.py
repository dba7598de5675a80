"""Finds OpenCode servers without a plugin, and assigns each one to the best source that can report it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tray.core.events import SourceEvent
from tray.core.remote_hosts import HttpServer
from tray.core.servers import Server, Source
from tray.opencode.api import ServerAddress
from tray.opencode.processes import OpenCodeProcess, data_folder, running_processes
from tray.sources.http.addresses import server_addresses, url_of
from tray.sources.http.servers import HttpServers
from tray.sources.local.sessions import LocalSessions
from tray.system.exit_watch import ExitWatch, ProcessKey
from tray.system.folder_watch import OPEN_EVENTS, FolderWatch
from tray.system.own_host import own_host
from tray.system.tasks import TaskSet

if TYPE_CHECKING:
    from tray.system.mdns import MdnsBrowser

log = logging.getLogger(__name__)

START_TIME = 30.0  # s after its start during which a process may still open a port
PORT_INTERVAL = 1.0  # s between two looks at such a process
LOG_DELAY = 0.3  # s from a new process's first access to OpenCode's log to the search for processes
RECONNECT_TIME = 3_000  # ms to wait after a lost connection: a better source may reconnect, or the process may end
STOP_TIMEOUT = 0.5  # s


class DiscoverySettings(msgspec.Struct, frozen=True):
    """Where to look for servers: the processes of this machine, the local network, and the servers of the settings."""

    processes: bool
    network: bool
    servers: tuple[HttpServer, ...]


class Discovery:
    """Finds servers and owns the sources that report them. `report` receives all events on the loop's thread.

    `settings` returns the current settings, `servers` the servers that the tray knows now. `started_servers`, called on
    a thread, returns the servers that the tray has started. `environment` contains passwords that the settings name.
    """

    def __init__(
        self,
        report: Callable[[SourceEvent], None],
        now: Callable[[], int],
        servers: Callable[[], Collection[Server]],
        started_servers: Callable[[], Collection[HttpServer]],
        settings: Callable[[], DiscoverySettings],
        environment: Mapping[str, str],
    ) -> None:
        self._now = now
        self._servers = servers
        self._started_servers = started_servers
        self._settings = settings
        self._environment = environment
        self._http = HttpServers(report, now)
        self._local = LocalSessions(report, now)
        self._log_folders = FolderWatch(OPEN_EVENTS, lambda: self._look_in(LOG_DELAY))
        self._exits = ExitWatch(lambda: self._look_in(0))
        self._mdns: MdnsBrowser | None = None
        self._processes: list[OpenCodeProcess] = []
        self._started: dict[str, HttpServer] = {}  # by URL
        self._urls: dict[ProcessKey, str] = {}  # of a process's HTTP server; "": it has none
        self._first_seen: dict[ProcessKey, float] = {}  # in the time of the event loop
        self._looking = asyncio.Lock()
        self._stopped = False
        self._next_look: asyncio.TimerHandle | None = None
        self._tasks = TaskSet()

    # ------------------------------------------------------------------ start and stop

    async def start(self) -> None:
        """Look for servers for the first time."""
        self._tasks.spawn(self._local.run(), "local sessions")
        await self.look()

    async def stop(self) -> None:
        """End all connections and threads, for good."""
        self._stopped = True
        if self._next_look is not None:
            self._next_look.cancel()
        self._exits.watch(())
        self._tasks.cancel_all()
        await self._tasks.wait(STOP_TIMEOUT)
        self._log_folders.stop()
        if self._mdns is not None:
            await self._mdns.stop()
        await self._http.stop()

    def reread_all(self) -> None:
        """Read everything again: after sleep, or after the clock was set."""
        self._http.reread_all()
        self._local.reread()

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Call an HTTP server (a `core.source_calls.SourceCall`). Raises CallError."""
        return await self._http.call(server_id, method, params)

    @property
    def started(self) -> frozenset[str]:
        """The URLs of the servers that were started by the tray and ran at the last look."""
        return frozenset(self._started)

    # ------------------------------------------------------------------ looking

    async def look(self) -> None:
        """Look for processes and their HTTP servers, and assign them to the sources."""
        async with self._looking:
            if self._stopped:
                return
            settings = self._settings()
            await self._browse_network(enabled=settings.network)
            processes = await asyncio.to_thread(running_processes) if settings.processes else []
            started = {server.url.rstrip("/"): server for server in await asyncio.to_thread(self._started_servers)}
            urls, has_starting = await self._find_urls(processes)
            if self._stopped:
                return
            self._processes, self._started, self._urls = processes, started, urls
            self._exits.watch(set(map(_key, processes)))
            folders = {process.data / "log" for process in processes} | {data_folder(self._environment) / "log"}
            self._log_folders.watch(folders)
            if has_starting:
                self._look_in(PORT_INTERVAL)
        self.arrange()

    async def _find_urls(self, processes: Collection[OpenCodeProcess]) -> tuple[dict[ProcessKey, str], bool]:
        """Return the known URLs of these processes, and whether some may still open their port."""
        now, keys = asyncio.get_running_loop().time(), list(map(_key, processes))
        urls = {key: self._urls[key] for key in keys if key in self._urls}
        self._first_seen = {key: self._first_seen.get(key, now) for key in keys}
        has_starting = False
        new = [process for process in processes if _key(process) not in urls]
        for process, url in zip(new, await asyncio.gather(*map(url_of, new)), strict=True):
            age = max(time.time() - process.started, now - self._first_seen[_key(process)])  # the clock may be set back
            is_starting = age <= START_TIME
            if url or (url is not None and not is_starting):
                urls[_key(process)] = url
            else:
                has_starting |= is_starting
        return urls, has_starting

    async def _browse_network(self, *, enabled: bool) -> None:
        """Start or stop mDNS; zeroconf is only imported if it is used. A start that failed is tried again."""
        if enabled:
            from tray.system.mdns import MdnsBrowser  # noqa: PLC0415

            self._mdns = self._mdns or MdnsBrowser(self.arrange)
            await self._mdns.start()
        elif self._mdns is not None:
            mdns, self._mdns = self._mdns, None
            await mdns.stop()

    def _look_in(self, seconds: float) -> None:
        """Look after this time, or earlier if an earlier look is planned."""
        if self._stopped:
            return
        loop = asyncio.get_running_loop()
        if self._next_look is not None and self._next_look.when() > loop.time():
            if self._next_look.when() <= loop.time() + seconds:
                return
            self._next_look.cancel()
        self._next_look = loop.call_later(seconds, lambda: self._tasks.spawn(self.look(), "look for OpenCode"))

    # ------------------------------------------------------------------ assigning servers to sources

    def arrange(self) -> None:
        """Assign the servers found at the last look to the sources: plugins first, then HTTP, then local files."""
        if self._stopped:
            return
        host, now = own_host(), self._now()
        current = [s for s in self._servers() if s.live or 0 <= now - s.lost_at < RECONNECT_TIME]
        if not all(server.live for server in current):
            self._look_in(RECONNECT_TIME / 1000)
        local = [server for server in current if server.verified and server.host == host and not server.key]
        plugins = [server for server in local if server.source is Source.PLUGIN]
        self._follow_http(plugins)
        better = [server for server in local if server.source in (Source.PLUGIN, Source.HTTP) and server.pid]
        self._local.follow(self._processes, frozenset((server.pid, server.directory) for server in better))

    def _follow_http(self, plugins: Iterable[Server]) -> None:
        """Follow all HTTP servers except those that a plugin of this machine reports."""
        pids = {server.pid for server in plugins if server.pid}
        addresses = {address.url: address for address in self._addresses()}
        covered = {url for url, address in addresses.items() if address.pid in pids}
        covered |= {server.url.rstrip("/") for server in plugins if server.url}
        self._http.follow([address for url, address in addresses.items() if url not in covered], covered)

    def _addresses(self) -> Iterable[ServerAddress]:
        processes = {url: process for process in self._processes if (url := self._urls.get(_key(process)))}
        announced = self._mdns.urls.values() if self._mdns is not None else ()
        configured = [*self._started.values(), *self._settings().servers]
        return server_addresses(processes, configured, announced, self._environment)


def _key(process: OpenCodeProcess) -> ProcessKey:
    return process.pid, process.started
