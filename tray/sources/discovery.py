"""Who is there: the OpenCodes of this machine and of the settings, each followed by the best way there is."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from tray.core.events import SourceEvent
from tray.core.model import Server, Source
from tray.core.remote_hosts import HttpServer
from tray.opencode.api import ServerAddress
from tray.opencode.processes import OpenCodeProcess, data_folder, listening_addresses, local_url, running_processes
from tray.sources.http.servers import HttpServers
from tray.sources.local.sessions import LocalSessions
from tray.system import terminal_processes
from tray.system.folder_watch import OPEN_EVENTS, FolderWatch

if TYPE_CHECKING:
    from tray.system.mdns import MdnsBrowser

log = logging.getLogger(__name__)

PROBE_TIMEOUT = 2.0  # s that what listens gets to show that it is OpenCode
SETTLES = 30.0  # s after its start in which a process may still open its port
AGAIN = 1.0  # s between two looks at one that may
ARRIVED = 0.3  # s between a program's first use of OpenCode's log and a look at who that is
COMES_BACK = 3_000  # ms after its loss in which a better source may be back, or the process may end
STOP_TIMEOUT = 0.5  # s

Known = tuple[int, float]  # a process: its number and its start


class DiscoverySettings(msgspec.Struct, frozen=True):
    """Where a person wants OpenCodes to be looked for."""

    processes: bool
    network: bool
    servers: tuple[HttpServer, ...]


class Discovery:
    """Finds OpenCodes that have no plugin, and has them followed. `report` gets every fact, on the loop's thread.

    `wishes` says where to look, `servers` who is known by now, `started` which servers were started here.
    """

    def __init__(
        self,
        report: Callable[[SourceEvent], None],
        now: Callable[[], int],
        servers: Callable[[], Collection[Server]],
        started: Callable[[], Collection[HttpServer]],
        wishes: Callable[[], DiscoverySettings],
        environment: Mapping[str, str],
    ) -> None:
        self._now = now
        self._servers = servers
        self._started = started
        self._wishes = wishes
        self._environment = environment
        self._http = HttpServers(report, now)
        self._local = LocalSessions(report, now)
        self._arrivals = FolderWatch(OPEN_EVENTS, self._look_soon)
        self._announced: MdnsBrowser | None = None
        self._processes: list[OpenCodeProcess] = []
        self._accounts: dict[str, HttpServer] = {}  # of the servers that were started here
        self._urls: dict[Known, str] = {}  # where a process answers; "": nowhere
        self._ends: dict[Known, int] = {}  # a file descriptor that tells of a process's end
        self._looking = asyncio.Lock()
        self._stopped = False
        self._next_look: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Look for the first time, and follow whom that finds."""
        self._spawn(self._local.run(), "local sessions")
        await self.look()

    async def stop(self) -> None:
        """End all connections and threads, for good."""
        self._stopped = True
        if self._next_look is not None:
            self._next_look.cancel()
        for known in list(self._ends):
            self._forget_end(known)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_TIMEOUT)
        self._arrivals.stop()
        if self._announced is not None:
            await self._announced.stop()
        await self._http.stop()

    def reread_all(self) -> None:
        """Read everything anew: after sleep, or a jump of the clock."""
        self._http.reread_all()
        self._local.reread()

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Ask an HTTP server (a `core.calls.Call`). Raises CallError."""
        return await self._http.call(server_id, method, params)

    @property
    def started(self) -> frozenset[str]:
        """The addresses of the servers that were started here and ran at the last look."""
        return frozenset(self._accounts)

    # ------------------------------------------------------------------ who is there

    async def look(self) -> None:
        """Look for terminal_processes, and at their ports; then arrange who follows whom."""
        async with self._looking:
            if self._stopped:
                return
            wishes = self._wishes()
            await self._listen(wishes)
            self._processes = await asyncio.to_thread(running_processes) if wishes.processes else []
            self._accounts = {one.url.rstrip("/"): one for one in await asyncio.to_thread(self._started)}
            alive = {(one.pid, one.started) for one in self._processes}
            self._urls = {known: url for known, url in self._urls.items() if known in alive}
            fresh = [one for one in self._processes if (one.pid, one.started) not in self._urls]
            for process, url in zip(fresh, await asyncio.gather(*map(_answering, fresh)), strict=True):
                if url or (url is not None and time.time() - process.started > SETTLES):
                    self._urls[process.pid, process.started] = url
            for known in self._ends.keys() - alive:
                self._forget_end(known)
            for known in alive - self._ends.keys():
                self._await_end(known)
        self.arrange()
        self._arrivals.watch({one.data / "log" for one in self._processes} | {data_folder(self._environment) / "log"})
        if any(time.time() - one.started < SETTLES for one in fresh if (one.pid, one.started) not in self._urls):
            self._look_in(AGAIN)

    def arrange(self) -> None:
        """Share out who is known among the sources, by what the fleet knows by now."""
        if self._stopped:
            return
        here, at = socket.gethostname(), self._now()
        live = [server for server in self._servers() if server.live or at - server.lost_at < COMES_BACK]
        if any(not server.live for server in live):
            self._look_in(COMES_BACK / 1000)
        plugins = [server for server in live if server.source is Source.PLUGIN and server.verified]
        pids = {server.pid for server in plugins if server.host == here and server.pid}
        wanted = {address.url: address for address in self._addresses()}
        elsewhere = {url for url, address in wanted.items() if address.pid in pids} | {
            server.url.rstrip("/") for server in plugins if server.url and server.host == here
        }
        self._http.follow([address for url, address in wanted.items() if url not in elsewhere], elsewhere)
        better = (s for s in live if s.source in (Source.PLUGIN, Source.HTTP) and s.verified and s.host == here)
        self._local.follow(
            self._processes, frozenset((server.pid, server.directory) for server in better if server.pid)
        )

    # ------------------------------------------------------------------ whom to connect to

    def _addresses(self) -> Iterable[ServerAddress]:
        by_url = {self._urls.get((one.pid, one.started), ""): one for one in self._processes}
        accounts = self._accounts | {_same(one.url, by_url): one for one in self._wishes().servers}
        for url, account in accounts.items():
            password = account.password or self._environment.get(account.password_env, "")
            process = by_url.get(url)
            yield ServerAddress(url, account.username, password, process.pid if process else 0)
        for url, process in by_url.items():
            if url and url not in accounts:
                username = process.environment.get("OPENCODE_SERVER_USERNAME") or "opencode"
                yield ServerAddress(url, username, process.environment.get("OPENCODE_SERVER_PASSWORD", ""), process.pid)
        for url in self._announced.urls.values() if self._announced is not None else ():
            if url not in accounts:
                yield ServerAddress(url, trusted=False)

    async def _listen(self, wishes: DiscoverySettings) -> None:
        """Listen to the network, if that is wished; what it needs is loaded only then."""
        if wishes.network and self._announced is None:
            from tray.system.mdns import MdnsBrowser  # noqa: PLC0415

            self._announced = MdnsBrowser(self.arrange)
            await self._announced.start()
        elif not wishes.network and self._announced is not None:
            await self._announced.stop()
            self._announced = None

    # ------------------------------------------------------------------ when to look again

    def _look_soon(self) -> None:
        self._look_in(ARRIVED)

    def _look_in(self, seconds: float) -> None:
        """Look in so many seconds, or when that was planned already, if that is sooner."""
        loop = asyncio.get_running_loop()
        if self._next_look is not None and self._next_look.when() > loop.time():
            if self._next_look.when() <= loop.time() + seconds:
                return
            self._next_look.cancel()
        self._next_look = loop.call_later(seconds, lambda: self._spawn(self.look(), "look for OpenCode"))

    def _await_end(self, known: Known) -> None:
        """Be told of the end of a process, where the platform tells; elsewhere the next look finds it."""
        end = terminal_processes.exit_descriptor(known[0])
        if end is not None:
            self._ends[known] = end
            asyncio.get_running_loop().add_reader(end, self._has_ended, known)

    def _has_ended(self, known: Known) -> None:
        self._forget_end(known)
        self._look_in(0)

    def _forget_end(self, known: Known) -> None:
        end = self._ends.pop(known, None)
        if end is not None:
            asyncio.get_running_loop().remove_reader(end)
            os.close(end)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)


async def _answering(process: OpenCodeProcess) -> str | None:
    """The address where this process serves OpenCode's interface; "" for none, None: it has a port and says nothing."""
    ports = await asyncio.to_thread(listening_addresses, process.pid)
    for address, port in ports:
        url = local_url(address, port)
        if await _is_opencode(url):
            return url
    return None if ports else ""


def _same(url: str, known: Collection[str]) -> str:
    """The spelling that we found a server of this machine under ourselves."""
    plain = url.rstrip("/")
    found = plain.replace("//localhost:", "//127.0.0.1:").replace("//[::1]:", "//127.0.0.1:")
    return found if found in known else plain


async def _is_opencode(url: str) -> bool:
    """Whether OpenCode answers there, be it that it wants a password."""
    timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(f"{url}/global/health", allow_redirects=False) as answer,
        ):
            if answer.status == 401:
                return True
            return answer.status == 200 and bool((await answer.json()).get("healthy"))
    except (aiohttp.ClientError, OSError, ValueError, AttributeError, TimeoutError):
        return False
