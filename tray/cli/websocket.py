"""A blocking WebSocket client (RFC 6455). Importing a library would take several times as long as a whole command.

It handles text frames over plain TCP to the tray, without TLS and extensions.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import sys
import time

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_MAX_HEADERS = 65_536  # bytes of the response to the upgrade
_BLOCK = 65_536  # bytes read at once
_TEXT, _CLOSE, _PING, _PONG, _CONTINUED = 1, 8, 9, 10, 0
_POLL = 0.5 if sys.platform == "win32" else None  # s; Windows handles Ctrl-C only between two waits


class WebSocket:
    """An open connection. Methods raise OSError (also TimeoutError), and ValueError for an invalid answer."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._read = bytearray()

    @classmethod
    def connect(cls, host: str, port: int, path: str, timeout: float) -> WebSocket:
        """Connect and upgrade to a WebSocket, within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        made = cls(socket.create_connection((host, port), timeout))
        try:
            made._upgrade(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", path, deadline)
        except BaseException:
            made.close()
            raise
        return made

    def send(self, text: str) -> None:
        """Send a text message."""
        self._send(_TEXT, text.encode())

    def receive(self, timeout: float) -> str | None:
        """Return the next text; None: the server closed the connection. `timeout` (s) restarts at each frame."""
        text = bytearray()
        while True:
            final, kind, payload = self._frame(time.monotonic() + timeout)
            if kind == _PING:
                self._send(_PONG, payload)
            elif kind == _CLOSE:
                return None
            elif kind in (_TEXT, _CONTINUED):
                text += payload
                if final:
                    return text.decode()
            elif kind != _PONG:
                raise ValueError("not a text frame")

    def close(self) -> None:
        """Send a close frame, and close the socket."""
        try:
            self._send(_CLOSE, b"\x03\xe8")  # 1000: normal closure
        except OSError:
            pass  # the server closed first
        finally:
            self._connection.close()

    def _upgrade(self, host: str, path: str, deadline: float) -> None:
        key = base64.b64encode(os.urandom(16))
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key.decode()}\r\n\r\n"
        )
        self._connection.sendall(request.encode())
        while (end := self._read.find(b"\r\n\r\n")) < 0:
            if len(self._read) > _MAX_HEADERS:
                raise ValueError("response headers are too long")
            self._fill(deadline)
        status, *lines = self._take(end + 4, deadline).decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()  # noqa: S324  # RFC 6455, 4.1
        if status.split(" ")[1:2] != ["101"] or headers.get("sec-websocket-accept") != accepted:
            raise ValueError(f"not a WebSocket: {status[:80]}")

    def _frame(self, deadline: float) -> tuple[bool, int, bytes]:
        first, second = self._take(2, deadline)
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(self._take(2 if length == 126 else 8, deadline), "big")
        if first & 0x70 or second & 0x80:
            raise ValueError("unexpected extension bits, or a masked frame from a server")
        return bool(first & 0x80), first & 0x0F, self._take(length, deadline)

    def _take(self, count: int, deadline: float) -> bytes:
        while len(self._read) < count:
            self._fill(deadline)
        taken = bytes(self._read[:count])
        del self._read[:count]
        return taken

    def _fill(self, deadline: float) -> None:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no answer from the server")
            self._connection.settimeout(left if _POLL is None else min(left, _POLL))
            try:
                block = self._connection.recv(_BLOCK)
            except TimeoutError:
                continue
            if not block:
                raise ConnectionError("the connection was closed")
            self._read += block
            return

    def _send(self, kind: int, payload: bytes) -> None:
        length = len(payload)
        if length < 126:
            head = bytes((0x80 | kind, 0x80 | length))
        elif length < 65_536:
            head = bytes((0x80 | kind, 0x80 | 126)) + length.to_bytes(2, "big")
        else:
            head = bytes((0x80 | kind, 0x80 | 127)) + length.to_bytes(8, "big")
        mask = os.urandom(4)
        stream = int.from_bytes((mask * (length // 4 + 1))[:length], "big")
        self._connection.sendall(head + mask + (int.from_bytes(payload, "big") ^ stream).to_bytes(length, "big"))
