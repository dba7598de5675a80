"""Talking to the running tray: the same handshake as the plugin's, then calls."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp

from tray.core.handshake import Side, proof, same
from tray.core.problem import Problem
from tray.core.settings import HOST, PORT
from tray.storage.settings_file import load_settings
from tray.storage.token import given_token, read_token
from tray.system.paths import Paths

CONNECT_TIMEOUT = 5.0  # s; whatever holds the port may accept and then say nothing
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where a listener on all addresses is reached


ClientSocket = aiohttp.ClientWebSocketResponse[bool]


T = TypeVar("T")


class NotRunningError(Problem):
    """No tray of ours answers there; the message says where, and what to do."""


class RefusedError(Problem):
    """The tray cannot do that; the message says why."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(str(told.get("message")))
        self.is_usage = bool(told.get("usage"))


class Client:
    """An authenticated connection to the running tray."""

    def __init__(self, socket_: ClientSocket) -> None:
        self._socket = socket_
        self._calls = 0

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Call and wait for the result. Raises NotRunningError if the tray goes away, RefusedError if it says no."""
        self._calls += 1
        await self._socket.send_json({"id": self._calls, "method": method, "params": dict(params or {})})
        answer = await _receive(self._socket)
        if "error" in answer:
            raise RefusedError(answer["error"])
        return answer.get("result")

    async def watch(self) -> AsyncIterator[dict[str, Any]]:
        """A report now, and one whenever something changed, until the tray goes away."""
        await self._socket.send_json({"id": 0, "method": "watch"})
        while True:
            frame = await _receive(self._socket)
            if frame.get("type") == "status":
                yield frame["status"]


@asynccontextmanager
async def connected(port: int | None, host: str | None = None) -> AsyncIterator[Client]:
    """Connect to the tray on this port, or the configured one. Raises NotRunningError."""
    paths = Paths.of(os.environ)
    settings = load_settings(paths.settings, os.environ, {PORT.key: port, HOST.key: host})
    host = EVERYWHERE.get(settings[HOST], settings[HOST])
    token = given_token(os.environ) or read_token(paths.token)
    where = f"{host}:{settings[PORT]}"
    if token is None:
        raise NotRunningError(f"no tray has run here yet (no token at {paths.token}); start one: opencode-tray")
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings[PORT]}/client"
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        socket_ = await _in_time(session.ws_connect(url, max_msg_size=0, heartbeat=20), where)
        async with socket_:
            await _in_time(authenticate(socket_, token, where), where)
            yield Client(socket_)


async def _in_time(step: Awaitable[T], where: str) -> T:
    try:
        return await asyncio.wait_for(step, CONNECT_TIMEOUT)
    except (aiohttp.ClientError, OSError, ValueError, asyncio.TimeoutError) as error:  # ValueError: no host, no JSON
        raise NotRunningError(f"no tray answers at {where}; start one: opencode-tray") from error


async def authenticate(
    socket_: ClientSocket, token: str, where: str, side: Side = Side.CLIENT, hello: Mapping[str, Any] | None = None
) -> None:
    """Prove the token to each other; `hello` adds fields to the first frame. Raises NotRunningError."""
    instance, nonce = secrets.token_hex(16), secrets.token_hex(32)
    first = {"type": "hello", "protocol": 2, "instance": instance, "nonce": nonce}
    server_id = f"{socket.gethostname()}-{os.getpid()}"
    await socket_.send_json({**first, "serverId": server_id, **(hello or {})})
    challenge = await _receive(socket_)
    theirs = str(challenge.get("nonce", ""))
    if not same(str(challenge.get("proof")), proof(Side.TRAY, token, instance, nonce, theirs)):
        raise NotRunningError(f"what listens at {where} does not know our token; is it another user's tray?")
    await socket_.send_json({"type": "auth", "proof": proof(side, token, instance, nonce, theirs)})
    welcome = await _receive(socket_)
    if welcome.get("type") != "welcome":
        raise NotRunningError(f"the tray at {where} did not let us in")


async def _receive(socket_: ClientSocket) -> dict[str, Any]:
    message = await socket_.receive()
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise NotRunningError("the tray closed the connection")
    frame = message.json()
    return frame if isinstance(frame, dict) else {}


def call_tray(port: int | None, method: str, params: Mapping[str, Any] | None = None, host: str | None = None) -> Any:
    """One call of the running tray, and its result. Raises Problem."""

    async def call() -> Any:
        async with connected(port, host) as client:
            return await client.call(method, params)

    return asyncio.run(call())
