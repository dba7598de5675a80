"""One interface to all sources: the listener for plugins, and the discovery of OpenCode processes without a plugin."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tray.core.events import SourceEvent
from tray.core.remote_hosts import HttpServer
from tray.core.remotes import Remote
from tray.core.servers import AgentKind, Server, Source
from tray.core.settings import HISTORY, HISTORY_TEXT, ON_MACHINE, ON_NETWORK, OTHER_AGENTS, SERVERS, Settings
from tray.core.source_calls import CallError, CallErrorKind, SourceCall
from tray.sources.plugin.listener import Listener, ServeClient
from tray.system.secret_variables import whole_environment

if TYPE_CHECKING:
    from tray.sources.agents.agent_sources import AgentSources
    from tray.sources.discovery import Discovery

log = logging.getLogger(__name__)


class SourceRouter:
    """Starts and stops the sources, and routes calls to the source of a server. Use it on the loop's thread.

    Plugins can connect before `start_discovery`, because the modules of discovery take long to import.
    """

    def __init__(
        self,
        token: Callable[[], str],
        report: Callable[[SourceEvent], None],
        now: Callable[[], int],
        servers: Mapping[str, Server],
        settings: Callable[[], Settings],
        started_servers: Callable[[], Collection[HttpServer]],
        hook_socket: Path,
        remote: Callable[[str], tuple[Remote, str] | None],
    ) -> None:
        """`servers` has the known servers by id. `started_servers` returns the servers of the tray, and may block.

        `hook_socket` is the path of the socket for the hooks of other agents. `remote` returns a machine and its token
        by its key.
        """
        self._listener = Listener(token, report, now, self._wishes, remote)
        self._report = report
        self._now = now
        self._servers = servers
        self._settings = settings
        self._started_servers = started_servers
        self._discovery: Discovery | None = None
        self._hook_socket = hook_socket
        self._agents: AgentSources | None = None
        self._team: SourceCall | None = None
        self._is_arranging = False
        self._sent_wishes = self._wishes()

    @property
    def started(self) -> frozenset[str]:
        """The addresses of the running servers that the tray has started."""
        return self._discovery.started if self._discovery is not None else frozenset()

    @property
    def host(self) -> str:
        """The address that the listener is bound to."""
        return self._listener.host

    def _wishes(self) -> dict[str, bool]:
        """Return what plugins are asked for: what the history records."""
        settings = self._settings()
        return {"prompts": settings[HISTORY] and settings[HISTORY_TEXT] == "lines", "edits": settings[HISTORY]}

    def reload_settings(self) -> None:
        """Tell plugins what they are asked for, if that has changed."""
        if self._wishes() != self._sent_wishes:
            self._sent_wishes = self._wishes()
            self._listener.send_wishes()

    def serve_clients(self, path: str, serve: ServeClient) -> None:
        """Hand authenticated sockets of the user's commands on `path` to `serve`. Call it before `start`."""
        self._listener.serve_clients(path, serve)

    def redirect_browsers(self, page: str) -> None:
        """Send browsers that open the listener's address to this page; "": there is none."""
        self._listener.page = page

    def use_team(self, call: SourceCall) -> None:
        """Hand calls to the servers of other trays to `call`."""
        self._team = call

    async def start(self, host: str, port: int) -> int:
        """Accept connections; return the port. 0 binds any free port. Raises OSError."""
        return await self._listener.start(host, port)

    async def open_tunnel_port(self) -> int:
        """Return the port that plugins of other machines reach through tunnels. Raises OSError."""
        return await self._listener.open_tunnel_port()

    async def start_discovery(self) -> None:
        """Find OpenCode servers without a plugin, and the sessions of other agents, from now on."""
        from tray.sources.agents.agent_context import AgentContext  # noqa: PLC0415
        from tray.sources.agents.agent_sources import AgentSources  # noqa: PLC0415
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
            whole_environment(),
        )
        context = AgentContext(self._report, self._now, os.environ, Path.home(), lambda: self._settings()[OTHER_AGENTS])
        self._agents = AgentSources(context, self._hook_socket)
        await self._agents.start()
        await self._discovery.start()

    async def stop(self) -> None:
        """Close all connections, within 2 s."""
        stops = [self._listener.stop()]
        if self._agents is not None:
            stops.append(self._agents.stop())
        if self._discovery is not None:
            stops.append(self._discovery.stop())
        await asyncio.gather(*stops)

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Call the source of a server (a `core.source_calls.SourceCall`). Raises CallError."""
        server = self._servers.get(server_id)
        if server is not None and server.source is Source.HTTP and self._discovery is not None:
            return await self._discovery.call(server_id, method, params)
        if server is not None and server.source is Source.TEAM and self._team is not None:
            return await self._team(server_id, method, params)
        if server is not None and server.agent_kind is not AgentKind.OPENCODE and self._agents is not None:
            return await self._agents.call(server, method, params)
        if server is not None and server.source is not Source.PLUGIN:
            raise CallError(server.read_only_reason, CallErrorKind.READ_ONLY)
        return await self._listener.call(server_id, method, params)

    def arrange_soon(self) -> None:
        """Choose the source of each server again, once the current events have been processed."""
        if self._discovery is not None and not self._is_arranging:
            self._is_arranging = True
            asyncio.get_running_loop().call_soon(self._arrange)

    def reread_all(self) -> None:
        """Read every snapshot again: after sleep, or after the clock was set."""
        self._listener.reread_all()
        if self._discovery is not None:
            self._discovery.reread_all()
        if self._agents is not None:
            self._agents.look()

    def sweep(self) -> None:
        """Close connections that have not sent a request."""
        self._listener.sweep()

    async def look(self) -> None:
        """Look for OpenCode servers without a plugin, and for other agents, now."""
        if self._agents is not None:
            self._agents.look()
        if self._discovery is not None:
            await self._discovery.look()

    def disconnect_key(self, key: str, reason: str) -> None:
        """Close the connections of a machine whose token was revoked."""
        self._listener.close_key(key, reason)

    def disconnect_all(self, reason: str) -> None:
        """Close the connections of all plugins and commands; they connect again and prove the token."""
        self._listener.close_all(reason)

    def _arrange(self) -> None:
        self._is_arranging = False
        if self._discovery is not None:
            self._discovery.arrange()
