"""The connections to all HTTP servers, and the calls to them."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Collection, Iterable, Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tray.core.events import SourceEvent
from tray.core.loopback import is_loopback
from tray.core.source_calls import CallError, CallErrorKind
from tray.opencode.api import ServerAddress
from tray.opencode.event_stream import SILENCE
from tray.sources.http.connection import HttpConnection
from tray.system.tasks import TaskSet
from tray.system.tcp_peer import may_own_user_listen

STOP_TIMEOUT = 0.5  # s
DEFAULT_PORTS = {"http": 80, "https": 443}
CONNECTIONS_PER_HOST = 10  # including the event stream


class HttpServers:
    """Keeps a connection to each server. `report` receives their events on the loop's thread.

    `silence` is the time in s without a byte after which a server has to show that it is alive.
    """

    def __init__(self, report: Callable[[SourceEvent], None], now: Callable[[], int], silence: float = SILENCE) -> None:
        self._silence = silence
        self._report = report
        self._now = now
        self._http: aiohttp.ClientSession | None = None
        self._stopped = False
        self._connections: dict[str, tuple[HttpConnection, asyncio.Task[None]]] = {}  # by URL
        self._tasks = TaskSet()

    def follow(self, addresses: Iterable[ServerAddress], covered: Collection[str] = ()) -> None:
        """Follow these servers and no others. A server that is left out is shown as disconnected for a while.

        `covered`: URLs of the servers that a better source reports; they are not shown at all.
        """
        if self._stopped:
            return
        wanted = {address.url: address for address in addresses}
        for url, (connection, task) in list(self._connections.items()):
            if wanted.get(url) == connection.address:
                continue
            del self._connections[url]
            if url in covered:
                connection.forget()
            else:
                connection.end()
            task.cancel()
        for url in wanted.keys() - self._connections.keys():
            connection = HttpConnection(wanted[url], self._client(), self._report, self._now, self._silence)
            self._connections[url] = (connection, self._tasks.spawn(connection.run(), f"follow {url}"))

    def reread_all(self) -> None:
        """Read all snapshots again: after sleep, or after the clock was set."""
        for connection, _ in self._connections.values():
            connection.reread()

    async def stop(self) -> None:
        """Close all connections, for good."""
        self._stopped = True
        self._tasks.cancel_all()
        await self._tasks.wait(STOP_TIMEOUT)
        self._connections.clear()
        if self._http is not None:
            await self._http.close()

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Call a method of a server (a `core.source_calls.SourceCall`). Raises CallError, also if it is not trusted."""
        connection = next((c for c, _ in self._connections.values() if c.has_server(server_id)), None)
        if connection is None:
            raise CallError("the server is not connected", CallErrorKind.GONE)
        if not connection.address.trusted:
            raise CallError(
                "a server found on the network is read-only; add it to [[servers]] in the settings",
                CallErrorKind.READ_ONLY,
            )
        return await connection.call(server_id, method, params)

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS_PER_HOST),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # `Api` refuses compressed responses
                trace_configs=[password_guard()],
            )
        return self._http


def password_guard() -> aiohttp.TraceConfig:
    """Return what refuses connections on which another user of this machine would get a password.

    While a server does not run, every user can listen on its port.
    """

    async def check(_session: aiohttp.ClientSession, context: SimpleNamespace, _: object) -> None:
        address: ServerAddress = context.trace_request_ctx
        url = urlsplit(address.url)
        if not address.password or not is_loopback(url.hostname or ""):
            return
        if not await asyncio.to_thread(may_own_user_listen, url.port or DEFAULT_PORTS[url.scheme]):
            raise PermissionError(errno.EACCES, "a program of another user listens there")

    guard = aiohttp.TraceConfig()
    guard.on_connection_create_start.append(check)
    return guard
