"""The connection to Codex' daemon: calls, answers and notifications over a WebSocket on a Unix socket."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tray import __version__
from tray.agents.codex.protocol import Frame, FrameId, Initialized, initialize_parameters
from tray.core.lenient_json import JSON_ERRORS, decode, decode_or
from tray.core.source_calls import CALL_TIMEOUT, CallError, CallErrorKind
from tray.system.peer_user import is_own_user

MAX_FRAME = 64 << 20  # bytes
CONNECT_TIMEOUT = 5.0  # s


class DaemonConnection:
    """One connection. `read` runs until the daemon closes it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, on_frame: Callable[[Frame], None]) -> None:
        """`on_frame` receives the notifications and requests of the daemon, in their order."""
        self._socket = socket
        self._on_frame = on_frame
        self._responses: dict[FrameId, asyncio.Future[bytes]] = {}
        self._last_id = 0

    async def read(self) -> None:
        """Receive frames until the daemon ends the connection."""
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            try:
                frame = decode(message.data.encode(), Frame)
            except JSON_ERRORS:
                continue
            if frame.method:
                self._on_frame(frame)
            else:
                self._take_response(frame)

    def close(self) -> None:
        """Fail the calls that have no response."""
        for response in self._responses.values():
            if not response.done():
                response.set_exception(CallError("the connection to Codex was lost", CallErrorKind.GONE))

    async def call(self, method: str, params: dict[str, Any]) -> bytes:
        """Call a method; return its result as JSON. Raises CallError."""
        self._last_id += 1
        call_id = self._last_id
        response: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._responses[call_id] = response
        try:
            await self._send({"id": call_id, "method": method, "params": params})
            async with asyncio.timeout(CALL_TIMEOUT):
                return await response
        except TimeoutError:
            raise CallError("Codex did not respond in time", CallErrorKind.SILENT) from None
        finally:
            self._responses.pop(call_id, None)

    async def notify(self, method: str) -> None:
        """Send a notification. Raises CallError."""
        await self._send({"method": method})

    async def respond(self, frame_id: FrameId, result: Any) -> None:
        """Answer a request of the daemon. Raises CallError."""
        await self._send({"id": frame_id, "result": result})

    async def initialize(self) -> str:
        """Introduce the tray; return the daemon's version. Raises CallError."""
        result = await self.call("initialize", initialize_parameters(__version__))
        await self.notify("initialized")
        return decode_or(result, Initialized, Initialized()).version

    async def _send(self, frame: dict[str, Any]) -> None:
        try:
            await self._socket.send_str(json.dumps(frame))
        except (ConnectionError, aiohttp.ClientError) as error:
            raise CallError("the connection to Codex was lost", CallErrorKind.GONE) from error

    def _take_response(self, frame: Frame) -> None:
        response = self._responses.get(frame.id) if frame.id is not None else None
        if response is None or response.done():
            return
        if frame.error is not None:
            response.set_exception(CallError(f"Codex refused: {frame.error.message}"))
        else:
            response.set_result(bytes(frame.result))


@asynccontextmanager
async def connect(path: Path, on_frame: Callable[[Frame], None]) -> AsyncIterator[DaemonConnection]:
    """Connect to a daemon's socket. Raises OSError, which includes TimeoutError, and aiohttp.ClientError.

    The socket is outside of the user's folders, where another user may make one once the daemon has ended.
    """
    connector = aiohttp.UnixConnector(str(path))
    async with aiohttp.ClientSession(connector=connector) as session:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            socket = await session.ws_connect("http://localhost/", max_msg_size=MAX_FRAME)
        if not is_own_user(socket.get_extra_info("socket")):
            raise PermissionError(errno.EACCES, "a program of another user listens there", str(path))
        connection = DaemonConnection(socket, on_frame)
        try:
            yield connection
        finally:
            connection.close()
            await socket.close()
