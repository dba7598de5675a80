"""Fake plugins of both protocols, and a running listener with a fleet."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp

from tray.core.events import SourceEvent
from tray.core.fleet import Fleet
from tray.core.handshake import Side, proof
from tray.core.session_index import SessionIndex
from tray.sources.plugin.listener import Listener

TOKEN = "token-of-the-tests"
FRAMES: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "plugin" / "examples" / "frames.json").read_text(encoding="utf-8")
)
DEADLINE = 5.0  # s


class RunningListener:
    """A listener on a free port with a fleet behind it."""

    def __init__(self, token: str = TOKEN, remote: Callable[[str], Any] = lambda _: None) -> None:
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.events: list[SourceEvent] = []
        self.at = 1_795_237_290_000
        self.listener = Listener(lambda: token, self._take, lambda: self.at, remote=remote)
        self.port = 0

    def _take(self, event: SourceEvent) -> None:
        self.events.append(event)
        self.index.update(self.fleet.apply(event, self.at))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def status(self, session_id: str) -> str | None:
        row = self.index.row(session_id)
        return row.status.value if row else None


@asynccontextmanager
async def running_listener(
    token: str = TOKEN, host: str = "127.0.0.1", remote: Callable[[str], Any] = lambda _: None
) -> AsyncIterator[RunningListener]:
    """Start a listener and stop it afterwards. `remote` returns a machine and its token by its key."""
    running = RunningListener(token, remote)
    running.port = await running.listener.start(host, 0)
    try:
        yield running
    finally:
        await running.listener.stop()


class FakePlugin:
    """The plugin's end of a connection to the listener, controlled by the test."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self.socket = socket

    async def send(self, *frames: Any) -> None:
        for frame in frames:
            await self.socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def event(self, kind: str, **properties: Any) -> None:
        await self.send([kind, properties])

    async def receive(self) -> Any:
        """Return the next frame, or None if the listener has closed the connection."""
        return await asyncio.wait_for(self.receive_later(), DEADLINE)

    async def receive_later(self) -> Any:
        """Return the next frame whenever it comes, or None if the connection has ended."""
        message = await self.socket.receive()
        return message.json() if message.type is aiohttp.WSMsgType.TEXT else None

    def answer_pings(self) -> None:
        """Read and discard all frames from now on: aiohttp answers pings only while it reads."""

        async def discard() -> None:
            async for _ in self.socket:
                pass

        self._reading = asyncio.create_task(discard())  # ends with the connection

    async def closed_with(self) -> int | None:
        """Wait until the listener closes the connection and return its close code."""
        while await self.receive() is not None:
            pass
        return self.socket.close_code

    async def authenticate(self, token: str = TOKEN, **hello: Any) -> None:
        """Perform the handshake of protocol 2 up to `welcome`."""
        first = {**FRAMES["hello"], "time": time.time_ns() // 1_000_000, **hello}
        await self.send(first)
        challenge = await self.receive()
        nonces = (first["instance"], first["nonce"], challenge["nonce"])
        assert challenge["proof"] == proof(Side.TRAY, token, *nonces)
        await self.send({"type": "auth", "proof": proof(Side.PLUGIN, token, *nonces)})
        assert (await self.receive())["type"] == "welcome"


@asynccontextmanager
async def connection(url: str, **options: Any) -> AsyncIterator[FakePlugin]:
    """Connect to the listener without sending anything."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0, **options) as socket:
        yield FakePlugin(socket)


class PluginThread:
    """A protocol 2 plugin with its own event loop, for blocking tests. A context manager."""

    def __init__(self, port: int, token: str, **hello: Any) -> None:
        self._port = port
        self._token = token
        self._hello = hello
        self._loop = asyncio.new_event_loop()
        self._plugin: FakePlugin | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="plugin", daemon=True)
        self._open = AsyncExitStack()

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._connect())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._open.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()

    def send(self, *frames: Any) -> None:
        assert self._plugin is not None
        self._do(self._plugin.send(*frames))

    def event(self, kind: str, **properties: Any) -> None:
        self.send([kind, properties])

    def receive(self) -> Any:
        """Return the next frame, or None if the tray has closed the connection."""
        assert self._plugin is not None
        return self._do(self._plugin.receive())

    def answer_pings(self) -> None:
        """Read and discard all frames from now on."""
        assert self._plugin is not None
        self._loop.call_soon_threadsafe(self._plugin.answer_pings)

    async def _connect(self) -> None:
        self._plugin = await self._open.enter_async_context(connection(f"http://127.0.0.1:{self._port}/"))
        await self._plugin.authenticate(self._token, **self._hello)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)


@asynccontextmanager
async def plugin(at: RunningListener, **hello: Any) -> AsyncIterator[FakePlugin]:
    """Connect an authenticated protocol 2 plugin."""
    async with connection(at.url) as connected:
        await connected.authenticate(**hello)
        yield connected
