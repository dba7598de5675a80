"""The aiohttp application that plugins and commands connect to. It owns their connections."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientConnectionError, web
from msgspec.structs import replace

from tray import __version__
from tray.core.events import ServerConnected, ServerLost, SourceEvent
from tray.core.handshake import Side
from tray.core.loopback import is_loopback
from tray.core.remotes import Remote
from tray.core.servers import Server
from tray.core.source_calls import CALL_TIMEOUT, CallError, CallErrorKind
from tray.core.text import clean
from tray.sources.plugin.authentication import Authenticator
from tray.sources.plugin.close_codes import CloseCode, RejectedError, encode_reason
from tray.sources.plugin.connection import PluginConnection, decode_result
from tray.sources.plugin.handshake import Hello
from tray.sources.plugin.opencode_dashboard import Dashboard, decode_post
from tray.sources.plugin.opencode_monitor import call_opencode_monitor, report_opencode_monitor
from tray.sources.protocol.events import FrameError
from tray.system.own_host import holds_connection, own_host
from tray.system.tasks import TaskSet

log = logging.getLogger(__name__)

MAX_FRAME = 4 * 1024 * 1024  # bytes
PING_EVERY = 20.0  # s
# s without data; aiohttp waits half of that for the pong to its own ping, so it finds a dead peer within 32 s
SILENCE = 1.05 * PING_EVERY
REREAD_DELAY = 2.0  # s after a loss; all that is lost in this time needs one snapshot
CLOSE_TIMEOUT = 1.0  # s for the other side to answer a close frame
STOP_TIMEOUT = 0.5  # s for handlers to end after that

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ServeClient = Callable[[web.WebSocketResponse], Awaitable[None]]


class Listener:
    """Accepts connections of plugins and commands on one address.

    `token` returns the current token, `now` the time in ms since the Unix epoch. `report` is called on the loop's
    thread with each event, in the order of arrival. `wishes` returns what plugins are asked for, `remote` the machine
    with a key and its token.
    """

    def __init__(
        self,
        token: Callable[[], str],
        report: Callable[[SourceEvent], None],
        now: Callable[[], int],
        wishes: Callable[[], Mapping[str, bool]] = dict,
        remote: Callable[[str], tuple[Remote, str] | None] = lambda _: None,
    ) -> None:
        self.connections: dict[str, PluginConnection] = {}  # by server id
        self.host = ""  # the address that it is bound to
        self.page = ""  # the address of the page for browsers, if there is one
        self._report = report
        self._now = now
        self._wishes = wishes
        self._remote = remote
        self._tunnel_port = 0
        self._rereading: set[str] = set()  # ids of servers that are asked for a snapshot soon
        self._authenticator = Authenticator(token, self._count_read_only, wishes, self._remote_token)
        self._dashboard = Dashboard(report, now)
        self._sockets: set[web.WebSocketResponse] = set()
        self._used: set[web.RequestHandler] = set()  # TCP connections that have sent a request
        self._unused: set[web.RequestHandler] = set()  # those that had not at the last sweep
        self._tasks = TaskSet()
        self._pinging: asyncio.Task[Any] | None = None
        self._application = web.Application(middlewares=[self._check_request])
        self._application.router.add_get("/", self._handle_plugin)
        self._application.router.add_post("/events", self._handle_post)
        self._runner: web.AppRunner | None = None

    def serve_clients(self, path: str, serve: ServeClient) -> None:
        """Hand authenticated sockets of the user's commands on `path` to `serve`. Call it before `start`."""

        async def handler(request: web.Request) -> web.StreamResponse:
            async with self._socket(request) as ws:
                if await self._authenticator.authenticate(ws, request, Side.CLIENT) is not None:
                    await serve(ws)
                return ws

        self._application.router.add_get(path, handler)

    async def start(self, host: str, port: int) -> int:
        """Accept connections; return the port. 0 binds any free port. Raises OSError if the port cannot be bound."""
        self._authenticator.listen_on(host)
        self._runner = runner = web.AppRunner(self._application, access_log=None, shutdown_timeout=STOP_TIMEOUT)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._pinging = self._tasks.spawn(self._ping_all(), "pings")
        self._authenticator.listen_on(host, {address[0] for address in runner.addresses})
        self.host, port, *more = runner.addresses[0]
        if more and more[1]:  # the scope id of a link-local IPv6 address
            self.host += f"%{more[1]}"
        return int(port)

    async def open_tunnel_port(self) -> int:
        """Accept plugins of other machines on a loopback port of its own; return it. Raises OSError.

        Only keys are accepted there: every user of the other machine can reach the tunnel, and what comes out of it
        has a loopback address.
        """
        if self._runner is None:
            raise RuntimeError("the listener has not been started")
        if not self._tunnel_port:
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
            self._tunnel_port = int(self._runner.addresses[-1][1])
        return self._tunnel_port

    async def stop(self) -> None:
        """Stop listening at once, then close every socket. Takes at most 2 s."""
        if self._pinging is not None:
            self._pinging.cancel()
        for site in self._runner.sites if self._runner is not None else ():
            await site.stop()  # frees the port for the next tray
        self._close_sockets(CloseCode.GOING_AWAY, "the tray stops")
        await self._tasks.wait(CLOSE_TIMEOUT)
        self._tasks.cancel_all()
        if self._runner is not None:
            await self._runner.cleanup()
        self._authenticator.close()

    def sweep(self) -> None:
        """Abort TCP connections that have not sent a request since the last sweep: aiohttp has no timeout for it.

        Also disconnect the instances of opencode-dashboard that have not posted for long.
        """
        server = self._runner.server if self._runner is not None else None
        connections = set(server.connections) if server is not None else set()
        unused = connections - self._used
        for connection in unused & self._unused:
            if connection.transport is not None:
                connection.transport.abort()
        self._unused = unused
        self._used &= connections
        self._dashboard.sweep()

    def close_all(self, reason: str) -> None:
        """Close every socket; plugins and commands connect again and have to prove the token."""
        self._close_sockets(CloseCode.UNAUTHORIZED, reason)

    def send_wishes(self) -> None:
        """Tell all plugins again what they are asked for."""
        for connection in self.connections.values():
            if connection.server.verified and not connection.is_opencode_monitor:
                self._tasks.spawn(self._send_wishes(connection), f"wishes for {connection.server.name}")

    async def _send_wishes(self, connection: PluginConnection) -> None:
        try:
            await connection.call("wishes", dict(self._wishes()))
        except CallError as error:
            log.info("%s does not know what is asked for: %s", connection.server.name, error)

    def reread_all(self) -> None:
        """Request a new snapshot from every plugin: after sleep, or after the clock was set."""
        for connection in self.connections.values():
            self._tasks.spawn(self._reread(connection), f"snapshot of {connection.server.name}")

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Call the plugin of this server (a `core.source_calls.SourceCall`). Raises CallError."""
        connection = self.connections.get(server_id)
        if connection is None:
            raise CallError("its OpenCode is not connected", CallErrorKind.GONE)
        if not connection.server.verified:
            raise CallError("its plugin does not have the token; the session is read-only", CallErrorKind.READ_ONLY)
        if connection.is_opencode_monitor:
            return await call_opencode_monitor(connection, method, params)
        return decode_result(await connection.call(method, dict(params), CALL_TIMEOUT))

    # ------------------------------------------------------------------ requests

    @web.middleware
    async def _check_request(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._used.add(request.protocol)
        self._authenticator.check_request(request)
        is_upgrade = "upgrade" in request.headers.get("Connection", "").lower()
        if self._is_tunnel(request) and not (is_upgrade and request.path == "/"):
            raise web.HTTPForbidden(text="refused: only plugins connect through a tunnel\n")
        if is_upgrade or (request.method, request.path) == ("POST", "/events"):
            try:
                return await handler(request)
            except ConnectionError:  # the client has gone while the tray, or the machine, was stopped
                return web.Response()
        is_browser = request.path == "/" and "text/html" in request.headers.get("Accept", "")
        if self.page and is_browser and is_loopback(request.remote or ""):
            return web.Response(status=303, headers={"Location": self.page})
        return web.Response(status=426, text=f"OpenCode Tray {__version__}: plugins connect here by WebSocket\n")

    async def _handle_post(self, request: web.Request) -> web.Response:
        """Take an event of opencode-dashboard's plugin."""
        self._authenticator.check_api_key(request)
        try:
            self._dashboard.take(decode_post(await request.read()))
        except FrameError as error:
            raise web.HTTPBadRequest(text=f"invalid event: {error}\n") from error
        return web.json_response({"success": True})

    async def _handle_plugin(self, request: web.Request) -> web.StreamResponse:
        async with self._socket(request) as ws:
            needs_key = self._is_tunnel(request)
            hello = await self._authenticator.authenticate(ws, request, Side.PLUGIN, needs_key=needs_key)
            if hello is not None:
                await self._serve_plugin(hello, ws, request)
            return ws

    def _is_tunnel(self, request: web.Request) -> bool:
        address = request.transport.get_extra_info("sockname") if request.transport is not None else None
        return bool(self._tunnel_port and address and address[1] == self._tunnel_port)

    @contextlib.asynccontextmanager
    async def _socket(self, request: web.Request) -> AsyncIterator[web.WebSocketResponse]:
        """Open a WebSocket that `stop` and `close_all` close. Raises ConnectionError if the client has gone."""
        self._authenticator.check_pending(request)
        ws = web.WebSocketResponse(heartbeat=SILENCE, max_msg_size=MAX_FRAME, compress=False, timeout=CLOSE_TIMEOUT)
        await ws.prepare(request)
        self._sockets.add(ws)
        try:
            yield ws
        finally:
            self._sockets.discard(ws)

    # ------------------------------------------------------------------ connections

    async def _serve_plugin(self, hello: Hello, ws: web.WebSocketResponse, request: web.Request) -> None:
        """Serve a connection until it ends. It replaces an older connection of the same instance."""
        server_id, is_opencode_monitor = self._server_id(hello), hello.protocol == 1
        verified = not is_opencode_monitor or bool(hello.auth_token)
        server = hello.to_server(server_id, request.remote or "", verified=verified, at=self._now())
        if hello.key and not is_opencode_monitor:
            if (found := self._remote(hello.key)) is None:
                revoked = RejectedError(CloseCode.UNAUTHORIZED, "the token of this machine was revoked")
                await self._authenticator.reject(ws, request, revoked)
                return
            server = _on_other_machine(server, found[0])
        elif _is_host_uncertain(server) and await _holds_connection(server, request):
            server = replace(server, host=own_host())
        elif server.place.wsl and _has_own_name(server):
            server = _in_wsl(server)
        connection = PluginConnection(
            server,
            ws,
            self._report,
            self._now,
            lambda: self._note_loss(server),
            is_opencode_monitor=is_opencode_monitor,
        )
        if (old := self.connections.get(server_id)) is not None:
            old.replaced = True
            replaced = old.close(CloseCode.REPLACED, "the same instance connected again")
            self._tasks.spawn(replaced, f"close of the replaced connection of {server.name}")
        self.connections[server_id] = connection
        log.info("connected: %s (OpenCode %s)", server.name, server.version or "?")
        self._report(ServerConnected(server))
        if is_opencode_monitor:
            self._tasks.spawn(self._reread(connection), f"snapshot of {server.name}")
        try:
            await connection.serve()
        except RejectedError as rejection:
            await self._authenticator.reject(ws, request, rejection)
        finally:
            if self.connections.get(server_id) is connection:
                del self.connections[server_id]
            if not connection.replaced:
                log.info("disconnected: %s%s", server.name, " (goodbye)" if connection.goodbye else "")
                self._report(ServerLost(server_id, goodbye=connection.goodbye))

    def _server_id(self, hello: Hello) -> str:
        """Return the instance's id. Protocol 1 has none: instances of one process and directory are numbered."""
        if hello.protocol != 1:
            return f"{hello.key}/{hello.instance}" if hello.key else hello.instance
        base = f"opencode-monitor:{hello.server_id}:{hello.directory}"
        numbered = (base if number == 1 else f"{base}#{number}" for number in count(1))
        return next(server_id for server_id in numbered if server_id not in self.connections)

    def _remote_token(self, key: str) -> str | None:
        remote = self._remote(key)
        return remote[1] if remote is not None else None

    def close_key(self, key: str, reason: str) -> None:
        """Close the connections of a machine whose token was revoked."""
        for connection in self.connections.values():
            if connection.server.key == key:
                self._tasks.spawn(connection.close(CloseCode.UNAUTHORIZED, reason), "close")

    def _count_read_only(self) -> int:
        return sum(not connection.server.verified for connection in self.connections.values())

    def _note_loss(self, server: Server) -> None:
        """Request a snapshot soon. One request is enough for all that is lost until then."""
        if server.verified and server.id not in self._rereading:
            self._rereading.add(server.id)
            self._tasks.spawn(self._reread_soon(server), f"snapshot of {server.name} after a loss")

    async def _reread_soon(self, server: Server) -> None:
        log.info("%s: a frame was lost or changed on the way; its state is read again", server.name)
        await asyncio.sleep(REREAD_DELAY)
        self._rereading.discard(server.id)
        if (connection := self.connections.get(server.id)) is not None:
            await self._reread(connection)

    async def _reread(self, connection: PluginConnection) -> None:
        """Request a snapshot, or read it call by call if the plugin cannot send one."""
        try:
            if connection.is_opencode_monitor:
                await report_opencode_monitor(connection, self._report, self._now)
            else:
                await connection.call("snapshot")
        except CallError as error:
            log.info("no snapshot of %s: %s", connection.server.name, error)

    async def _ping_all(self) -> None:
        """Ping all sockets at once: a timer for each would wake up the machine more often.

        aiohttp's heartbeat sends no ping while data arrives, but the plugin relies on pings to detect a dead tray.
        """
        while True:
            await asyncio.sleep(PING_EVERY)
            for ws in self._sockets:
                if not ws.closed:
                    self._tasks.spawn(_ping(ws), "ping")

    def _close_sockets(self, code: CloseCode, reason: str) -> None:
        for ws in self._sockets:
            self._tasks.spawn(ws.close(code=code, message=encode_reason(reason)), "close")


def _on_other_machine(server: Server, remote: Remote) -> Server:
    """Return the server as the user knows its machine, whatever the machine reports about itself."""
    url = server.url if server.url and not is_loopback(urlsplit(server.url).hostname or "") else None
    host = clean(remote.host or remote.ssh)
    return replace(server, key=remote.key, host=host, ssh=remote.ssh, opencode=remote.opencode, url=url)


def _in_wsl(server: Server) -> Server:
    """Return the server as one of another machine: it reports the name of Windows, but has its own processes."""
    program = server.place.program or server.opencode
    return replace(server, host=f"{server.host} ({clean(server.place.wsl)})", wsl=server.place.wsl, opencode=program)


def _has_own_name(server: Server) -> bool:
    """Whether a plugin reports the name of this machine, in the letters of Windows or of WSL."""
    return server.host.casefold() == own_host().casefold()


def _is_host_uncertain(server: Server) -> bool:
    """Whether the host name does not say where a plugin runs.

    WSL has the name of its Windows; a container, and a machine that was renamed, have another name than this one.
    """
    return bool(server.place.wsl) or server.host != own_host()


async def _holds_connection(server: Server, request: web.Request) -> bool:
    """Whether the process that the plugin reports runs here and has this connection."""
    if not is_loopback(request.remote or "") or request.transport is None:
        return False
    peer, own = (request.transport.get_extra_info(name) for name in ("peername", "sockname"))
    return bool(peer and own) and await asyncio.to_thread(holds_connection, server.pid, peer[1], own[1])


async def _ping(ws: web.WebSocketResponse) -> None:
    with contextlib.suppress(ConnectionError, ClientConnectionError):
        await ws.ping()
