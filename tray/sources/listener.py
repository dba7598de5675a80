"""The aiohttp application that plugins connect to: who is let in, who is refused and why, and which link is whose."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import WSMessage, WSMsgType, web

from tray import __version__
from tray.core.events import ServerConnected, SourceEvent
from tray.core.handshake import Side, proof, same
from tray.core.model import Server
from tray.sources.hello import Hello, decode_auth, decode_hello
from tray.sources.link import Close, Link, Refused, lost
from tray.sources.seed import read_seed_snapshot
from tray.sources.wire import FrameError

log = logging.getLogger(__name__)

MAX_FRAME = 4 * 1024 * 1024  # bytes
MAX_STRANGERS = 32  # sockets that have not yet authenticated
HELLO_TIMEOUT = 5.0  # s
PING_EVERY = 20.0  # s; aiohttp gives the pong half of that, so a dead peer is found within 30 s
STOP_TIMEOUT = 1.0  # s that sockets get to close

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Listener:
    """Accepts plugins on one address. `report` gets every fact, on the loop's thread, in the order it came in."""

    def __init__(self, token: Callable[[], str], report: Callable[[SourceEvent], None], now: Callable[[], int]) -> None:
        self.links: dict[str, Link] = {}
        self._token = token
        self._report = report
        self._now = now
        self._strangers = 0
        self._own_names: frozenset[str] = frozenset()
        self._application = web.Application(middlewares=[self._guard])
        self._application.router.add_get("/", self._plugin)
        self._runner: web.AppRunner | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def route(self, path: str, handler: Handler) -> None:
        """Serve a further WebSocket path behind the same guard. Only before `start`."""
        self._application.router.add_get(path, handler)

    async def start(self, host: str, port: int) -> int:
        """Bind and accept; returns the port (0 asks for a free one). Raises OSError if it cannot be bound."""
        self._own_names = frozenset({"localhost", host.lower(), socket.gethostname().lower()})
        self._runner = web.AppRunner(self._application, access_log=None, handle_signals=False)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port, shutdown_timeout=STOP_TIMEOUT).start()
        except OSError:
            await self._runner.cleanup()
            raise
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close every socket and stop listening; done within 2 s."""
        closing = [link.close(Close.GOING_AWAY, "the tray stops") for link in self.links.values()]
        await asyncio.wait({asyncio.ensure_future(c) for c in closing}, timeout=STOP_TIMEOUT) if closing else None
        for task in self._tasks:
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    def reread_all(self) -> None:
        """Ask every plugin for a new snapshot: after sleep, or a jump of the clock."""
        for link in self.links.values():
            self._spawn(self._reread(link), f"reread {link.server.name}")

    # ------------------------------------------------------------------ the guard

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return self._refuse(request, 403, f"foreign Origin {origin[:80]!r}")
        if not self._is_own(request.host):
            return self._refuse(request, 421, f"foreign Host {request.host[:80]!r}")
        if "upgrade" not in request.headers.get("Connection", "").lower():
            return web.Response(status=426, text=f"OpenCode Tray {__version__}: plugins connect here by WebSocket\n")
        return await handler(request)

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._own_names
        return True

    def _refuse(self, request: web.Request, status: int, why: str) -> web.Response:
        log.warning("refused %s: %s", request.remote, why)
        return web.Response(status=status, text=f"refused: {why}\n")

    # ------------------------------------------------------------------ plugins

    async def _plugin(self, request: web.Request) -> web.StreamResponse:
        if self._strangers >= MAX_STRANGERS:
            return self._refuse(request, 503, f"{MAX_STRANGERS} sockets wait for authentication already")
        ws = web.WebSocketResponse(heartbeat=PING_EVERY, max_msg_size=MAX_FRAME, compress=False)
        self._strangers += 1
        link = None
        try:
            await ws.prepare(request)
            link = await self._authenticate(ws, request.remote or "")
        except Refused as refusal:
            await self._close(ws, request, refusal)
        finally:
            self._strangers -= 1
        if link is not None:
            await self._serve(link, ws, request)
        return ws

    async def _authenticate(self, ws: web.WebSocketResponse, remote: str) -> Link | None:
        first = await _text_frame(ws, "no hello")
        if first is None:
            return None
        try:
            hello = decode_hello(first)
        except FrameError as error:
            raise Refused(Close.OUT_OF_ORDER, f"no valid hello: {error}") from error
        if hello.protocol == 1:
            return Link(self._seed_server(hello, remote), ws, self._report, self._now, seed=True)
        if not await self._prove(ws, hello):
            return None
        return Link(hello.server(hello.instance, remote, verified=True), ws, self._report, self._now)

    async def _prove(self, ws: web.WebSocketResponse, hello: Hello) -> bool:
        """Both sides prove the token. False if the socket closed meanwhile; raises Refused on a wrong proof."""
        nonce, token = secrets.token_hex(32), self._token()
        mine = proof(Side.TRAY, token, hello.instance, hello.nonce or "", nonce)
        await ws.send_json({"type": "challenge", "nonce": nonce, "proof": mine})
        answer = await _text_frame(ws, "no auth")
        if answer is None:
            return False
        try:
            theirs = decode_auth(answer).proof
        except FrameError as error:
            raise Refused(Close.OUT_OF_ORDER, f"no valid auth: {error}") from error
        if not same(theirs, proof(Side.PLUGIN, token, hello.instance, hello.nonce or "", nonce)):
            raise Refused(Close.UNAUTHORIZED, "wrong token")
        await ws.send_json({"type": "welcome", "version": __version__})
        return True

    def _seed_server(self, hello: Hello, remote: str) -> Server:
        """Protocol 1: a matching token is trusted; no token is watch-only, from this machine alone."""
        if hello.auth_token:
            if not same(hello.auth_token, self._token()):
                raise Refused(Close.UNAUTHORIZED_1, "Unauthorized")
        elif not _is_loopback(remote):
            raise Refused(Close.UNAUTHORIZED_1, "Unauthorized: without a token only this machine is accepted")
        base = f"seed:{hello.server_id}:{hello.directory}"
        name, number = base, 1
        while name in self.links:  # two instances of one process send the same serverId
            number += 1
            name = f"{base}#{number}"
        return hello.server(name, remote, verified=bool(hello.auth_token))

    async def _serve(self, link: Link, ws: web.WebSocketResponse, request: web.Request) -> None:
        name = link.server.id
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

    async def _reread(self, link: Link) -> None:
        if not link.seed:
            await link.call("snapshot")
            return
        link.hold()
        try:
            self._report(await read_seed_snapshot(link, self._now))
        finally:
            link.release()

    async def _close(self, ws: web.WebSocketResponse, request: web.Request, refusal: Refused) -> None:
        log.warning("refused %s: %s (close %d)", request.remote, refusal.reason, refusal.code)
        await ws.close(code=refusal.code, message=refusal.reason.encode()[:120])

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
        message: WSMessage = await ws.receive(HELLO_TIMEOUT)
    except asyncio.TimeoutError:
        raise Refused(Close.TOO_LATE, f"{missing} within {HELLO_TIMEOUT:g} s") from None
    if message.type is WSMsgType.BINARY:
        raise Refused(Close.NO_BINARY, "binary frames are not spoken here")
    return message.data.encode() if message.type is WSMsgType.TEXT else None


def _is_loopback(remote: str) -> bool:
    try:
        return ipaddress.ip_address(remote.removeprefix("::ffff:")).is_loopback
    except ValueError:
        return False
