"""Which requests, sockets and plugins the listener accepts (plugin/PROTOCOL.md, "How the tray refuses")."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Collection, Mapping
from urllib.parse import urlsplit

from aiohttp import ClientConnectionError, WSMessage, WSMsgType, web

from tray import __version__
from tray.core.handshake import Side, proof, same
from tray.core.loopback import is_loopback
from tray.core.text import clean
from tray.sources.plugin.close_codes import CloseCode, RejectedError, encode_reason
from tray.sources.plugin.handshake import Hello, decode_auth, decode_hello
from tray.sources.plugin.own_host import is_own_host
from tray.sources.plugin.rate_limited_warnings import RateLimitedWarnings
from tray.sources.protocol.events import FrameError

log = logging.getLogger(__name__)

MAX_PENDING = 32  # sockets that have not authenticated yet
MAX_READ_ONLY = 64  # connections without a token
HELLO_TIMEOUT = 5.0  # s, for each frame of the handshake


class Authenticator:
    """Checks requests and performs handshakes. Refusals are logged at most once a second.

    `token` returns the current token, `count_read_only` the number of connections without a token, `wishes` what
    plugins are asked for (`welcome` in plugin/PROTOCOL.md), `remote_token` the token with a key; None: it was revoked.
    """

    def __init__(
        self,
        token: Callable[[], str],
        count_read_only: Callable[[], int],
        wishes: Callable[[], Mapping[str, bool]] = dict,
        remote_token: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self._token = token
        self._remote_token = remote_token
        self._wishes = wishes
        self._count_read_only = count_read_only
        self._pending = 0
        self._warnings = RateLimitedWarnings(log)
        self._host = ""
        self._bound: frozenset[str] = frozenset()
        self._machine = ""

    def listen_on(self, host: str, bound: Collection[str] = ()) -> None:
        """Accept requests to this configured host and, once they are known, to the addresses that it is bound to."""
        self._host, self._bound, self._machine = host, frozenset(bound), socket.gethostname()

    def close(self) -> None:
        """Log the refusals that are held back."""
        self._warnings.close()

    # ------------------------------------------------------------------ requests

    def check_request(self, request: web.Request) -> None:
        """Raise HTTPForbidden for a foreign `Origin`, HTTPMisdirectedRequest for a foreign `Host` (DNS rebinding)."""
        origin = request.headers.get("Origin")
        host = request.headers.get("Host", "")  # without the header, `request.host` would resolve this machine's name
        if origin is not None and _netloc(origin) != host:
            raise web.HTTPForbidden(text=self._refusal(request, f"foreign Origin {origin[:80]!r}"))
        if not is_own_host(host, self._host, self._bound, self._machine):
            raise web.HTTPMisdirectedRequest(text=self._refusal(request, f"foreign Host {host[:80]!r}"))

    def check_api_key(self, request: web.Request) -> None:
        """Raise HTTPUnauthorized unless the header `X-API-Key` is the token."""
        if not same(request.headers.get("X-API-Key", ""), self._token()):
            raise web.HTTPUnauthorized(text=self._refusal(request, "wrong X-API-Key: it has to be the tray's token"))

    def check_pending(self, request: web.Request) -> None:
        """Raise HTTPServiceUnavailable if MAX_PENDING sockets have not authenticated yet."""
        if self._pending >= MAX_PENDING:
            reason = f"{MAX_PENDING} sockets are waiting for authentication"
            raise web.HTTPServiceUnavailable(text=self._refusal(request, reason))

    def _refusal(self, request: web.Request, reason: str) -> str:
        self._warnings.warn(f"refused {request.remote}: {reason}")
        return f"refused: {reason}\n"

    # ------------------------------------------------------------------ sockets

    async def authenticate(
        self, ws: web.WebSocketResponse, request: web.Request, side: Side, *, needs_key: bool = False
    ) -> Hello | None:
        """Perform the handshake. Return None if the socket was rejected, or closed by the other side.

        `needs_key` refuses all tokens but those of other machines.
        """
        self._pending += 1
        try:
            return await self._handshake(ws, request.remote or "", side, needs_key=needs_key)
        except RejectedError as rejection:
            await self.reject(ws, request, rejection)
            return None
        except (ConnectionError, ClientConnectionError):
            return None
        finally:
            self._pending -= 1

    async def reject(self, ws: web.WebSocketResponse, request: web.Request, rejection: RejectedError) -> None:
        """Close the socket with the code and the reason, and log them."""
        self._warnings.warn(f"refused {request.remote}: {rejection.reason} (close {int(rejection.code)})")
        await ws.close(code=rejection.code, message=encode_reason(rejection.reason))

    def check_opencode_monitor(self, hello: Hello, remote: str) -> None:
        """Check the `hello` of protocol 1. Raises RejectedError.

        With the token the connection is trusted. Without a token it is read-only, and only loopback addresses may
        connect.
        """
        if hello.auth_token:
            if not same(hello.auth_token, self._token()):
                raise RejectedError(CloseCode.UNAUTHORIZED_1, "Unauthorized")
        elif not is_loopback(remote):
            raise RejectedError(CloseCode.UNAUTHORIZED_1, "Unauthorized: without a token only this machine is accepted")
        elif self._count_read_only() >= MAX_READ_ONLY:
            reason = f"Unauthorized: {MAX_READ_ONLY} connections without a token are open"
            raise RejectedError(CloseCode.UNAUTHORIZED_1, reason)

    async def _handshake(self, ws: web.WebSocketResponse, remote: str, side: Side, *, needs_key: bool) -> Hello | None:
        """Return None if the other side closed the socket. Raises RejectedError."""
        frame = await _receive_text(ws, "no hello")
        if frame is None:
            return None
        try:
            hello = decode_hello(frame)
        except FrameError as error:
            raise RejectedError(CloseCode.OUT_OF_ORDER, f"invalid hello: {error}") from error
        if needs_key and (hello.protocol == 1 or not hello.key):
            raise RejectedError(CloseCode.UNAUTHORIZED, "through a tunnel, a plugin needs the token of its machine")
        if hello.protocol != 1:
            return hello if await self._exchange_proofs(ws, hello, side) else None
        if side is not Side.PLUGIN:
            raise RejectedError(CloseCode.OUT_OF_ORDER, "commands need protocol 2")
        self.check_opencode_monitor(hello, remote)
        return hello

    async def _exchange_proofs(self, ws: web.WebSocketResponse, hello: Hello, side: Side) -> bool:
        """Prove the token to the other side and check its proof.

        Return False if the other side closed the socket. Raises RejectedError.
        """
        nonce, token = secrets.token_hex(32), self._remote_token(hello.key) if hello.key else self._token()
        if token is None or (hello.key and side is not Side.PLUGIN):
            raise RejectedError(CloseCode.UNAUTHORIZED, "the token of this machine was revoked")
        tray_proof = proof(Side.TRAY, token, hello.instance, hello.nonce or "", nonce)
        await ws.send_json({"type": "challenge", "nonce": nonce, "proof": tray_proof})
        frame = await _receive_text(ws, "no auth")
        if frame is None:
            if ws.close_code == CloseCode.UNAUTHORIZED:
                self._warnings.warn(f"refused by {clean(hello.server_name)}: its token differs from the tray's")
            return False
        try:
            auth = decode_auth(frame)
        except FrameError as error:
            raise RejectedError(CloseCode.OUT_OF_ORDER, f"invalid auth: {error}") from error
        if not same(auth.proof, proof(side, token, hello.instance, hello.nonce or "", nonce)):
            raise RejectedError(CloseCode.UNAUTHORIZED, "wrong token")
        await ws.send_json({"type": "welcome", "version": __version__, "numbers": True, **self._wishes()})
        return True


async def _receive_text(ws: web.WebSocketResponse, missing: str) -> bytes | None:
    """Return the next text frame, or None if the other side closed the socket. Raises RejectedError."""
    try:
        async with asyncio.timeout(HELLO_TIMEOUT):  # the timeout of `receive` itself starts again with each ping
            message: WSMessage = await ws.receive()
    except TimeoutError:
        raise RejectedError(CloseCode.TOO_LATE, f"{missing} within {HELLO_TIMEOUT:g} s") from None
    if message.type is WSMsgType.BINARY:
        raise RejectedError(CloseCode.NO_BINARY, "binary frames are not supported")
    return message.data.encode() if message.type is WSMsgType.TEXT else None


def _netloc(url: str) -> str | None:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return None
