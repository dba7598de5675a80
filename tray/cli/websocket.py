"""A WebSocket client (RFC 6455) that blocks: the libraries cost a command several times what all else in it does.

For text over plain TCP to a server that we know; neither TLS nor extensions.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import sys
import time

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_MOST_HEADERS = 65_536  # bytes of an answer to the upgrade
_BLOCK = 65_536  # bytes read at once
_TEXT, _CLOSE, _PING, _PONG, _CONTINUED = 1, 8, 9, 10, 0
_WAKE = 0.5 if sys.platform == "win32" else None  # s; Windows tells of Ctrl-C only between two waits


class WebSocket:
    """An open connection. Raises OSError (also TimeoutError) for what fails, ValueError for what is no WebSocket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._read = bytearray()

    @classmethod
    def connect(cls, host: str, port: int, path: str, within: float) -> WebSocket:
        """Connect and shake hands, within so many seconds."""
        deadline = time.monotonic() + within
        made = cls(socket.create_connection((host, port), within))
        try:
            made._upgrade(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", path, deadline)
        except BaseException:
            made.close()
            raise
        return made

    def send(self, text: str) -> None:
        """Send one text."""
        self._send(_TEXT, text.encode())

    def receive(self, within: float) -> str | None:
        """The next text; None when the server has closed. A ping is a sign of life: the time begins anew with it."""
        text = bytearray()
        while True:
            final, kind, payload = self._frame(time.monotonic() + within)
            if kind == _PING:
                self._send(_PONG, payload)
            elif kind == _CLOSE:
                return None
            elif kind in (_TEXT, _CONTINUED):
                text += payload
                if final:
                    return text.decode()
            elif kind != _PONG:
                raise ValueError("a frame that is no text")

    def close(self) -> None:
        """Say goodbye and leave."""
        try:
            self._send(_CLOSE, b"\x03\xe8")  # 1000, a normal end
        except OSError:
            pass  # the server was faster
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
            if len(self._read) > _MOST_HEADERS:
                raise ValueError("no end of the headers")
            self._fill(deadline)
        status, *lines = self._take(end + 4, deadline).decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()  # noqa: S324  # RFC 6455, 4.1
        if status.split(" ")[1:2] != ["101"] or headers.get("sec-websocket-accept") != accepted:
            raise ValueError(f"no WebSocket: {status[:80]}")

    def _frame(self, deadline: float) -> tuple[bool, int, bytes]:
        first, second = self._take(2, deadline)
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(self._take(2 if length == 126 else 8, deadline), "big")
        if first & 0x70 or second & 0x80:
            raise ValueError("an extension nobody asked for, or a masked frame from a server")
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
                raise TimeoutError("no answer in time")
            self._connection.settimeout(left if _WAKE is None else min(left, _WAKE))
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
