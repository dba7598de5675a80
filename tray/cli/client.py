"""The client of the control API: connects to the running tray, authenticates, and calls its methods."""

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

CONNECT_TIMEOUT = 5.0  # s; another program on the port may accept the connection and never answer
SILENCE_TIMEOUT = 65.0  # s without a frame; a running tray pings every 20 s (plugin/PROTOCOL.md)


class NotRunningError(UserError):
    """No tray of this user answers; the message says where, and what to do."""


class RefusedError(UserError):
    """The tray cannot execute the call; the message says why."""

    def __init__(self, message: str, *, is_usage: bool = False) -> None:
        super().__init__(message)
        self.is_usage = is_usage


class Handshake:
    """The frames of the connecting side: sends `hello`, answers the `challenge` with `auth`, expects `welcome`."""

    def __init__(self, token: str, address: str, side: Side = Side.CLIENT, **hello: Any) -> None:
        """Create the frames. `address` is for error messages; `hello` adds fields to the first frame."""
        self._token = token
        self._address = address
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
        """Return the frame with our proof if the tray's proof is right. Raises NotRunningError."""
        inputs = (self._token, self._instance, self._nonce, str(challenge.get("nonce", "")))
        if not same(str(challenge.get("proof")), proof(Side.TRAY, *inputs)):
            raise NotRunningError(
                f"the program at {self._address} does not have this user's token; is it another user's tray?"
            )
        return {"type": "auth", "proof": proof(self._side, *inputs)}

    def finish(self, welcome: Mapping[str, Any]) -> None:
        """Check the tray's last frame. Raises NotRunningError."""
        if welcome.get("type") != "welcome":
            raise NotRunningError(f"the tray at {self._address} refused the connection")


class Client:
    """An authenticated connection to the running tray."""

    def __init__(self, connection: WebSocket) -> None:
        self._connection = connection
        self._calls = 0

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Call a method and return its result. Raises NotRunningError if the connection is lost, RefusedError."""
        self._calls += 1
        self._send({"id": self._calls, "method": method, "params": dict(params or {})})
        answer = self._receive()
        if "error" in answer:
            raise _refused(answer["error"])
        return answer.get("result")

    def watch(self, what: str) -> Iterator[dict[str, Any]]:
        """Yield a frame with the whole `summary` or all `rows`, and a frame at each change.

        Raises NotRunningError when the connection is lost, RefusedError.
        """
        self._send({"id": 0, "method": f"watch.{what}"})
        while True:
            frame = self._receive()
            if "error" in frame:
                raise _refused(frame["error"])
            yield frame

    def _send(self, frame: Mapping[str, Any]) -> None:
        try:
            self._connection.send(json.dumps(frame))
        except OSError as error:
            raise NotRunningError("the connection to the tray was lost") from error

    def _receive(self) -> dict[str, Any]:
        try:
            return _receive(self._connection, SILENCE_TIMEOUT)
        except (OSError, ValueError) as error:
            raise NotRunningError("the connection to the tray was lost") from error


@contextmanager
def connected(port: int | None, host: str | None = None) -> Iterator[Client]:
    """Connect to the tray on this port and host; by default, to the running one. Raises UserError."""
    paths = Paths.of(os.environ)
    address = tray_address(paths.endpoint, paths.settings, os.environ, port, host)
    token = token_from_environment(os.environ) or read_token(paths.token)
    if token is None:
        raise NotRunningError(f"no tray has run yet (no token at {paths.token}); start one with: opencode-tray")
    with closing(_authenticated(address, Handshake(token, str(address)))) as connection:
        yield Client(connection)


def _authenticated(address: Address, handshake: Handshake) -> WebSocket:
    """Return a connection on which both sides have proved the token. Raises NotRunningError."""
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(
                closing(WebSocket.connect(address.host, address.port, "/client", CONNECT_TIMEOUT))
            )
            connection.send(json.dumps(handshake.hello))
            connection.send(json.dumps(handshake.auth(_receive(connection, CONNECT_TIMEOUT))))
            handshake.finish(_receive(connection, CONNECT_TIMEOUT))
        except (OSError, ValueError) as error:  # ValueError: an invalid host, or no WebSocket or JSON
            raise NotRunningError(f"no tray is running at {address}; start one with: opencode-tray") from error
        stack.pop_all()
        return connection


def _receive(connection: WebSocket, timeout: float) -> dict[str, Any]:
    text = connection.receive(timeout)
    if text is None:
        raise ConnectionError("the server closed the connection")
    frame = json.loads(text)
    return frame if isinstance(frame, dict) else {}


def call_tray(port: int | None, method: str, params: Mapping[str, Any] | None = None, host: str | None = None) -> Any:
    """Connect to the running tray, call one method and return its result. Raises UserError."""
    with connected(port, host) as client:
        return client.call(method, params)


def _refused(error: Mapping[str, Any]) -> RefusedError:
    return RefusedError(str(error.get("message")), is_usage=bool(error.get("usage")))
