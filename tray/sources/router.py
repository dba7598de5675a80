"""All sources behind one interface: the listener for plugins, and the discovery of OpenCodes without a plugin."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from tray.core.events import SourceEvent
from tray.core.model import Server, Source
from tray.core.remote_hosts import HttpServer
from tray.core.settings import ON_MACHINE, ON_NETWORK, SERVERS, Settings
from tray.core.source_calls import CallError, CallErrorKind
from tray.sources.plugin.listener import Listener, ServeClient

if TYPE_CHECKING:
    from tray.sources.discovery import Discovery

log = logging.getLogger(__name__)


class SourceRouter:
    """Routes calls to the source that reports a server. Lives on the loop's thread.

    Plugins can connect before the discovery starts: it needs modules that take long to import.
    """

    def __init__(
        self,
        token: Callable[[], str],
        report: Callable[[SourceEvent], None],
        now: Callable[[], int],
        servers: Mapping[str, Server],
        settings: Callable[[], Settings],
        started_servers: Callable[[], Collection[HttpServer]],
    ) -> None:
        """`servers` are the known ones; `started_servers`, called on a thread, returns those started by the tray."""
        self._listener = Listener(token, report, now)
        self._report = report
        self._now = now
        self._servers = servers
        self._settings = settings
        self._started_servers = started_servers
        self._discovery: Discovery | None = None
        self._is_arranging = False

    @property
    def started(self) -> frozenset[str]:
        """The addresses of the servers that were started by the tray and run."""
        return self._discovery.started if self._discovery is not None else frozenset()

    @property
    def host(self) -> str:
        """The address that the listener is bound to."""
        return self._listener.host

    def serve_clients(self, path: str, serve: ServeClient) -> None:
        """Hand authenticated sockets of the user's commands on `path` to `serve`. Call it before `start`."""
        self._listener.serve_clients(path, serve)

    async def start(self, host: str, port: int) -> int:
        """Accept connections; return the port. 0 binds any free port. Raises OSError."""
        return await self._listener.start(host, port)

    async def start_discovery(self) -> None:
        """Look for OpenCodes without a plugin from now on."""
        from tray.sources.discovery import Discovery, DiscoverySettings  # noqa: PLC0415

        def discovery_settings() -> DiscoverySettings:
            settings = self._settings()
            return DiscoverySettings(settings[ON_MACHINE], settings[ON_NETWORK], settings[SERVERS])

        self._discovery = Discovery(
            self._report,
            self._now,
            self._servers.values,
            self._started_servers,
            discovery_settings,
            os.environ,
        )
        await self._discovery.start()

    async def stop(self) -> None:
        """Close all connections, within 2 s."""
        ends = [self._listener.stop()]
        if self._discovery is not None:
            ends.append(self._discovery.stop())
        await asyncio.gather(*ends)

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Call the source of a server (a `core.source_calls.SourceCall`). Raises CallError."""
        server = self._servers.get(server_id)
        if server is not None and server.source is Source.HTTP and self._discovery is not None:
            return await self._discovery.call(server_id, method, params)
        if server is not None and server.source is not Source.PLUGIN:
            raise CallError(server.read_only_reason, CallErrorKind.WATCH_ONLY)
        return await self._listener.call(server_id, method, params)

    def arrange_soon(self) -> None:
        """Decide anew which source follows which server, after the events of this moment."""
        if self._discovery is not None and not self._is_arranging:
            self._is_arranging = True
            asyncio.get_running_loop().call_soon(self._arrange)

    def reread_all(self) -> None:
        """Read every snapshot again: after sleep, or after the clock was set."""
        self._listener.reread_all()
        if self._discovery is not None:
            self._discovery.reread_all()

    def sweep(self) -> None:
        """Close connections that never send a request."""
        self._listener.sweep()

    async def look(self) -> None:
        """Look for OpenCodes without a plugin now."""
        if self._discovery is not None:
            await self._discovery.look()

    def disconnect_all(self, reason: str) -> None:
        """Close the connections of all plugins and commands; they connect again and prove the token."""
        self._listener.close_all(reason)

    def _arrange(self) -> None:
        self._is_arranging = False
        if self._discovery is not None:
            self._discovery.arrange()
