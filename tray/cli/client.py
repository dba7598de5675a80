"""Talking to the running tray: the same handshake as the plugin's, then calls."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from tray.cli.websocket import WebSocket
from tray.core.errors import UserError
from tray.core.handshake import Side, proof, same
from tray.storage.endpoint import Address, tray_address
from tray.storage.token import read_token, token_from_environment
from tray.system.paths import Paths

CONNECT_TIMEOUT = 5.0  # s; whatever holds the port may accept and then say nothing
SILENCE = 65.0  # s; a tray that lives pings every 20 (plugin/PROTOCOL.md, "Goodbye and silence")


class NotRunningError(UserError):
    """No tray of ours answers there; the message says where, and what to do."""


class RefusedError(UserError):
    """The tray cannot do that; the message says why."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(str(told.get("message")))
        self.is_usage = bool(told.get("usage"))


class Handshake:
    """What one side of a new connection has to say, in order: `hello`, `auth`, and it hears `welcome`."""

    def __init__(self, token: str, where: str, side: Side = Side.CLIENT, **hello: Any) -> None:
        """`hello` adds fields to the first frame."""
        self._token = token
        self._where = where
        self._side = side
        self._instance, self._nonce = secrets.token_hex(16), secrets.token_hex(32)
        self.hello = {
            "type": "hello",
            "protocol": 2,
            "instance": self._instance,
            "nonce": self._nonce,
            "serverId": f"{socket.gethostname()}-{os.getpid()}",
            **hello,
        }

    def auth(self, challenge: Mapping[str, Any]) -> dict[str, Any]:
        """The proof that we know the token; only for who has proven it too. Raises NotRunningError."""
        theirs = str(challenge.get("nonce", ""))
        nonces = (self._token, self._instance, self._nonce, theirs)
        if not same(str(challenge.get("proof")), proof(Side.TRAY, *nonces)):
            raise NotRunningError(f"what listens at {self._where} does not know our token; is it another user's tray?")
        return {"type": "auth", "proof": proof(self._side, *nonces)}

    def end(self, welcome: Mapping[str, Any]) -> None:
        """Raises NotRunningError if this is no welcome."""
        if welcome.get("type") != "welcome":
            raise NotRunningError(f"the tray at {self._where} did not let us in")


class Client:
    """An authenticated connection to the running tray."""

    def __init__(self, connection: WebSocket) -> None:
        self._connection = connection
        self._calls = 0

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Call and wait for the result. Raises NotRunningError if the tray goes away, RefusedError if it says no."""
        self._calls += 1
        self._send({"id": self._calls, "method": method, "params": dict(params or {})})
        answer = self._receive()
        if "error" in answer:
            raise RefusedError(answer["error"])
        return answer.get("result")

    def watch(self, what: str) -> Iterator[dict[str, Any]]:
        """A frame with all `sums` or `rows` now, and one whenever they differ. Raises NotRunningError at the end."""
        self._send({"id": 0, "method": f"watch.{what}"})
        while True:
            frame = self._receive()
            if "error" in frame:
                raise RefusedError(frame["error"])
            yield frame

    def _send(self, frame: Mapping[str, Any]) -> None:
        try:
            self._connection.send(json.dumps(frame))
        except OSError as error:
            raise NotRunningError("the tray closed the connection") from error

    def _receive(self) -> dict[str, Any]:
        try:
            return _receive(self._connection, SILENCE)
        except (OSError, ValueError) as error:
            raise NotRunningError("the tray closed the connection") from error


@contextmanager
def connected(port: int | None, host: str | None = None) -> Iterator[Client]:
    """Connect to the tray on this port and host, else to the one that runs. Raises NotRunningError."""
    paths = Paths.of(os.environ)
    address = tray_address(paths.endpoint, paths.settings, os.environ, port, host)
    token = token_from_environment(os.environ) or read_token(paths.token)
    if token is None:
        raise NotRunningError(f"no tray has run here yet (no token at {paths.token}); start one: opencode-tray")
    with closing(_authenticated(address, Handshake(token, str(address)))) as connection:
        yield Client(connection)


def _authenticated(address: Address, handshake: Handshake) -> WebSocket:
    """A connection on which both have proven the token. Raises NotRunningError."""
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(
                closing(WebSocket.connect(address.host, address.port, "/client", CONNECT_TIMEOUT))
            )
            connection.send(json.dumps(handshake.hello))
            connection.send(json.dumps(handshake.auth(_receive(connection, CONNECT_TIMEOUT))))
            handshake.end(_receive(connection, CONNECT_TIMEOUT))
        except (OSError, ValueError) as error:  # ValueError: no host, no WebSocket, no JSON
            raise NotRunningError(f"no tray answers at {address}; start one: opencode-tray") from error
        stack.pop_all()
        return connection


def _receive(connection: WebSocket, within: float) -> dict[str, Any]:
    text = connection.receive(within)
    if text is None:
        raise ConnectionError("the tray closed the connection")
    frame = json.loads(text)
    return frame if isinstance(frame, dict) else {}


def call_tray(port: int | None, method: str, params: Mapping[str, Any] | None = None, host: str | None = None) -> Any:
    """One call of the running tray, and its result. Raises Problem."""
    with connected(port, host) as client:
        return client.call(method, params)
