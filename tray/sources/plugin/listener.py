"""The aiohttp application that plugins connect to: who is let in, who is refused and why, and which link is whose."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from aiohttp import WSMessage, WSMsgType, web

from tray import __version__
from tray.core.events import ServerConnected, SourceEvent
from tray.core.handshake import Side, proof, same
from tray.core.loopback import is_loopback
from tray.core.source_calls import CALL_TIMEOUT, CallError, CallErrorKind
from tray.core.text import clean
from tray.sources.plugin.connection import Close, PluginConnection, Refused, decode_answer, lost
from tray.sources.plugin.handshake import Hello, decode_auth, decode_hello
from tray.sources.plugin.opencode_dashboard import Dashboard, decode_post
from tray.sources.plugin.opencode_monitor import call_seed, read_seed_snapshot
from tray.sources.plugin.own_host import is_own_host
from tray.sources.plugin.rate_limited_warnings import RateLimitedWarnings
from tray.sources.protocol.events import FrameError

log = logging.getLogger(__name__)

MAX_FRAME = 4 * 1024 * 1024  # bytes
MAX_STRANGERS = 32  # sockets that have not yet authenticated
MAX_WATCH_ONLY = 64  # links without a token
HELLO_TIMEOUT = 5.0  # s
PING_EVERY = 20.0  # s
# s without a sign of life; aiohttp gives the pong to its own ping half of that, so a dead peer is found within 32 s
SILENCE = 1.05 * PING_EVERY
CLOSE_TIMEOUT = 1.0  # s that the other side gets to answer a close
STOP_TIMEOUT = 0.5  # s that handlers get after that

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ServeClient = Callable[[web.WebSocketResponse], Awaitable[None]]


class Listener:
    """Accepts plugins on one address. `report` gets every fact, on the loop's thread, in the order it came in."""

    def __init__(self, token: Callable[[], str], report: Callable[[SourceEvent], None], now: Callable[[], int]) -> None:
        self.links: dict[str, PluginConnection] = {}
        self.host = ""  # the address that it is bound to, once it is
        self._token = token
        self._report = report
        self._now = now
        self._sockets: set[web.WebSocketResponse] = set()
        self._strangers = 0
        self._refusals = RateLimitedWarnings(log)
        self._spoken: set[web.RequestHandler] = set()  # connections that a request came over
        self._silent: set[web.RequestHandler] = set()  # those that none had come over at the last sweep
        self._asked_host = ""  # what it was asked to listen on
        self._bound: frozenset[str] = frozenset()  # the addresses that this is
        self._machine = ""  # this machine's name
        self._application = web.Application(middlewares=[self._guard])
        self._application.router.add_get("/", self._plugin)
        self._application.router.add_post("/events", self._posted)
        self._dashboard = Dashboard(report, now)
        self._runner: web.AppRunner | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pinging: asyncio.Task[None] | None = None

    def serve_clients(self, path: str, serve: ServeClient) -> None:
        """Give authenticated sockets on `path` to `serve`: the person's own commands. Only before `start`."""

        async def handler(request: web.Request) -> web.StreamResponse:
            async with self._socket(request) as ws:
                if await self._admit(ws, request, Side.CLIENT) is not None:
                    await serve(ws)
                return ws

        self._application.router.add_get(path, handler)

    async def start(self, host: str, port: int) -> int:
        """Bind and accept; returns the port (0 asks for a free one). Raises OSError if it cannot be bound."""
        self._asked_host, self._machine = host, socket.gethostname()
        self._runner = web.AppRunner(
            self._application, access_log=None, handle_signals=False, shutdown_timeout=STOP_TIMEOUT
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._pinging = asyncio.get_running_loop().create_task(self._ping_all(), name="pings")
        self._bound = frozenset(address[0] for address in self._runner.addresses)
        self.host, port, *more = self._runner.addresses[0]
        if more and more[1]:  # of an IPv6 address that is true on one link only
            self.host += f"%{more[1]}"
        return int(port)

    async def stop(self) -> None:
        """Stop listening at once, then close every socket; done within 2 s."""
        if self._pinging is not None:
            self._pinging.cancel()
        for site in self._runner.sites if self._runner is not None else ():
            await site.stop()  # whoever starts next can have the port
        for ws in set(self._sockets):
            self._spawn(ws.close(code=Close.GOING_AWAY, message=b"the tray stops"), "close")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT)
        for task in self._tasks:
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        self._refusals.close()

    def sweep(self) -> None:
        """End the connections that have sent no request since the sweep before: aiohttp waits for one for ever.

        And grey the dashboards that have been silent for long.
        """
        server = self._runner.server if self._runner is not None else None
        connections = set(server.connections) if server is not None else set()
        silent = connections - self._spoken
        for connection in silent & self._silent:
            if connection.transport is not None:
                connection.transport.abort()
        self._silent = silent
        self._dashboard.sweep()
        self._spoken &= connections

    def close_all(self, why: str) -> None:
        """Close every socket, whoever sits behind it; plugins and commands come back and prove themselves anew."""
        for ws in set(self._sockets):
            self._spawn(ws.close(code=Close.UNAUTHORIZED, message=why.encode()), "close")

    def reread_all(self) -> None:
        """Ask every plugin for a new snapshot: after sleep, or a jump of the clock."""
        for link in self.links.values():
            self._spawn(self._reread(link), f"reread {link.server.name}")

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Ask the plugin of this server (a `core.calls.Call`). Raises CallError; nothing is asked of a stranger."""
        link = self.links.get(server_id)
        if link is None:
            raise CallError("its OpenCode is not connected", CallErrorKind.GONE)
        if not link.server.verified:
            raise CallError("its plugin does not have the token; the session is read-only", CallErrorKind.WATCH_ONLY)
        if link.seed:
            return await call_seed(link, method, params)
        return decode_answer(await link.call(method, dict(params), CALL_TIMEOUT))

    # ------------------------------------------------------------------ the guard

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._spoken.add(request.protocol)
        origin, host = request.headers.get("Origin"), request.headers.get("Host", "")  # `request.host` asks DNS for one
        if origin is not None and _netloc(origin) != host:
            raise web.HTTPForbidden(text=self._refusal(request, f"foreign Origin {origin[:80]!r}"))
        if not is_own_host(host, self._asked_host, self._bound, self._machine):
            raise web.HTTPMisdirectedRequest(text=self._refusal(request, f"foreign Host {host[:80]!r}"))
        if request.method == "POST" and request.path == "/events":
            return await handler(request)
        if "upgrade" not in request.headers.get("Connection", "").lower():
            return web.Response(status=426, text=f"OpenCode Tray {__version__}: plugins connect here by WebSocket\n")
        return await handler(request)

    def _refusal(self, request: web.Request, why: str) -> str:
        self._refusals.warn(f"refused {request.remote}: {why}")
        return f"refused: {why}\n"

    # ------------------------------------------------------------------ opencode-dashboard's plugin

    async def _posted(self, request: web.Request) -> web.Response:
        """One event. The key it is sent with is our token."""
        if not same(request.headers.get("X-API-Key", ""), self._token()):
            raise web.HTTPUnauthorized(text=self._refusal(request, "wrong X-API-Key: it has to be the tray's token"))
        try:
            self._dashboard.take(decode_post(await request.read()))
        except FrameError as error:
            raise web.HTTPBadRequest(text=f"no event: {error}\n") from error
        return web.json_response({"success": True})

    # ------------------------------------------------------------------ plugins

    async def _plugin(self, request: web.Request) -> web.StreamResponse:
        async with self._socket(request) as ws:
            hello = await self._admit(ws, request, Side.PLUGIN)
            if hello is not None:
                await self._serve(hello, ws, request)
            return ws

    @asynccontextmanager
    async def _socket(self, request: web.Request) -> AsyncIterator[web.WebSocketResponse]:
        """A socket that `stop` knows of."""
        if self._strangers >= MAX_STRANGERS:
            why = f"{MAX_STRANGERS} sockets wait for authentication already"
            raise web.HTTPServiceUnavailable(text=self._refusal(request, why))
        ws = web.WebSocketResponse(heartbeat=SILENCE, max_msg_size=MAX_FRAME, compress=False, timeout=CLOSE_TIMEOUT)
        await ws.prepare(request)
        self._sockets.add(ws)
        try:
            yield ws
        finally:
            self._sockets.discard(ws)

    # ------------------------------------------------------------------ authentication

    async def _admit(self, ws: web.WebSocketResponse, request: web.Request, side: Side) -> Hello | None:
        """Take a stranger in, or close its socket: then there is no hello."""
        self._strangers += 1
        try:
            return await self._authenticate(ws, request.remote or "", side)
        except Refused as refusal:
            await self._close(ws, request, refusal)
            return None
        except ConnectionError:  # gone in the middle of the handshake
            return None
        finally:
            self._strangers -= 1

    async def _authenticate(self, ws: web.WebSocketResponse, remote: str, side: Side) -> Hello | None:
        """None if the socket closed meanwhile; raises Refused."""
        first = await _text_frame(ws, "no hello")
        if first is None:
            return None
        try:
            hello = decode_hello(first)
        except FrameError as error:
            raise Refused(Close.OUT_OF_ORDER, f"no valid hello: {error}") from error
        if hello.protocol == 1 and side is Side.PLUGIN:
            self._check_seed(hello, remote)
            return hello
        if hello.protocol == 1:
            raise Refused(Close.OUT_OF_ORDER, "commands speak protocol 2")
        return hello if await self._prove(ws, hello, side) else None

    async def _prove(self, ws: web.WebSocketResponse, hello: Hello, side: Side) -> bool:
        """Both sides prove the token. False if the socket closed meanwhile; raises Refused on a wrong proof."""
        nonce, token = secrets.token_hex(32), self._token()
        mine = proof(Side.TRAY, token, hello.instance, hello.nonce or "", nonce)
        await ws.send_json({"type": "challenge", "nonce": nonce, "proof": mine})
        answer = await _text_frame(ws, "no auth")
        if answer is None:
            if ws.close_code == Close.UNAUTHORIZED:
                self._refusals.warn(f"refused by {clean(hello.server_name)}: its token is another one")
            return False
        try:
            theirs = decode_auth(answer).proof
        except FrameError as error:
            raise Refused(Close.OUT_OF_ORDER, f"no valid auth: {error}") from error
        if not same(theirs, proof(side, token, hello.instance, hello.nonce or "", nonce)):
            raise Refused(Close.UNAUTHORIZED, "wrong token")
        await ws.send_json({"type": "welcome", "version": __version__})
        return True

    def _check_seed(self, hello: Hello, remote: str) -> None:
        """Protocol 1: a matching token is trusted; no token is watch-only, from this machine alone."""
        if hello.auth_token:
            if not same(hello.auth_token, self._token()):
                raise Refused(Close.UNAUTHORIZED_1, "Unauthorized")
        elif not is_loopback(remote):
            raise Refused(Close.UNAUTHORIZED_1, "Unauthorized: without a token only this machine is accepted")
        elif sum(not link.server.verified for link in self.links.values()) >= MAX_WATCH_ONLY:
            raise Refused(Close.UNAUTHORIZED_1, f"Unauthorized: {MAX_WATCH_ONLY} watch without a token already")

    # ------------------------------------------------------------------ links

    def _server_id(self, hello: Hello) -> str:
        """The instance's own id; two instances of one process that speak protocol 1 are told apart by number."""
        if hello.protocol != 1:
            return hello.instance
        base = f"seed:{hello.server_id}:{hello.directory}"
        numbered = (base if number == 1 else f"{base}#{number}" for number in count(1))
        return next(name for name in numbered if name not in self.links)

    async def _serve(self, hello: Hello, ws: web.WebSocketResponse, request: web.Request) -> None:
        name, seed = self._server_id(hello), hello.protocol == 1
        server = hello.server(name, request.remote or "", verified=not seed or bool(hello.auth_token), at=self._now())
        link = PluginConnection(server, ws, self._report, self._now, seed=seed)
        if (old := self.links.get(name)) is not None:
            old.replaced = True
            self._spawn(old.close(Close.REPLACED, "the same instance connected again"), "close replaced link")
        self.links[name] = link
        log.info("connected: %s (OpenCode %s)", link.server.name, link.server.opencode or "?")
        self._report(ServerConnected(link.server))
        if link.seed:
            self._spawn(self._reread(link), f"read {link.server.name}")
        try:
            await link.serve()
        except Refused as refusal:
            await self._close(ws, request, refusal)
        finally:
            if self.links.get(name) is link:
                del self.links[name]
            if not link.replaced:
                log.info("disconnected: %s%s", link.server.name, " (goodbye)" if link.goodbye else "")
                self._report(lost(link))

    async def _reread(self, link: PluginConnection) -> None:
        if not link.seed:
            await link.call("snapshot")
            return
        link.hold()
        try:
            self._report(await read_seed_snapshot(link, self._now))
        finally:
            link.release()

    async def _close(self, ws: web.WebSocketResponse, request: web.Request, refusal: Refused) -> None:
        self._refusals.warn(f"refused {request.remote}: {refusal.reason} (close {int(refusal.code)})")
        await ws.close(code=refusal.code, message=refusal.reason.encode()[:120])

    async def _ping_all(self) -> None:
        """Aiohttp pings nobody who speaks; but a plugin that speaks all the time has to know as well that we live.

        All at once: each by itself would wake the machine up as often as there are plugins.
        """
        while True:
            await asyncio.sleep(PING_EVERY)
            for ws in self._sockets:
                if not ws.closed:
                    self._spawn(ws.ping(), "ping")

    def _spawn(self, work: Awaitable[object], name: str) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001  # a connection boundary
                log.info("%s: %s", name, error)

        task = asyncio.get_running_loop().create_task(guarded(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _text_frame(ws: web.WebSocketResponse, missing: str) -> bytes | None:
    """The next text frame, or None if the socket closed. Raises Refused."""
    try:
        # The limit of `receive` itself starts anew with a ping.
        async with asyncio.timeout(HELLO_TIMEOUT):
            message: WSMessage = await ws.receive()
    except TimeoutError:
        raise Refused(Close.TOO_LATE, f"{missing} within {HELLO_TIMEOUT:g} s") from None
    if message.type is WSMsgType.BINARY:
        raise Refused(Close.NO_BINARY, "binary frames are not spoken here")
    return message.data.encode() if message.type is WSMsgType.TEXT else None


def _netloc(url: str) -> str | None:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return None
