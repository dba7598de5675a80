"""The other ends of the listener, as we wrote them: plugins of both protocols, and a fleet behind a listener."""

from __future__ import annotations

import asyncio
import json
import threading
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


async def until(condition: Callable[[], Any], deadline: float = DEADLINE) -> Any:
    """The first true value of the condition; fails when the deadline has passed."""
    end = asyncio.get_running_loop().time() + deadline
    while not (value := condition()):
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"not within {deadline:g} s: {condition}")
        await asyncio.sleep(0.005)
    return value


class Desk:
    """A listener on a free port with a fleet behind it."""

    def __init__(self, token: str = TOKEN) -> None:
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.events: list[SourceEvent] = []
        self.at = 1_795_237_290_000
        self.listener = Listener(lambda: token, self._take, lambda: self.at)
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
async def desk(token: str = TOKEN, host: str = "127.0.0.1") -> AsyncIterator[Desk]:
    """A running listener; stopped afterwards."""
    made = Desk(token)
    made.port = await made.listener.start(host, 0)
    try:
        yield made
    finally:
        await made.listener.stop()


class FakePlugin:
    """A socket that says what it is told to."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self.socket = socket

    async def send(self, *frames: Any) -> None:
        for frame in frames:
            await self.socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def event(self, kind: str, **properties: Any) -> None:
        await self.send([kind, properties])

    async def receive(self) -> Any:
        """The next frame; None when the listener has closed."""
        message = await asyncio.wait_for(self.socket.receive(), DEADLINE)
        return message.json() if message.type is aiohttp.WSMsgType.TEXT else None

    def answer_pings(self) -> None:
        """From now on read and forget what comes: aiohttp answers pings only while something is read."""

        async def forget() -> None:
            async for _ in self.socket:
                pass

        self._reading = asyncio.create_task(forget())  # ends with the connection

    async def closed_with(self) -> int | None:
        """The code that the listener closes with."""
        while await self.receive() is not None:
            pass
        return self.socket.close_code

    async def authenticate(self, token: str = TOKEN, **hello: Any) -> None:
        """Protocol 2, up to and with `welcome`."""
        first = {**FRAMES["hello"], **hello}
        await self.send(first)
        challenge = await self.receive()
        nonces = (first["instance"], first["nonce"], challenge["nonce"])
        assert challenge["proof"] == proof(Side.TRAY, token, *nonces)
        await self.send({"type": "auth", "proof": proof(Side.PLUGIN, token, *nonces)})
        assert (await self.receive())["type"] == "welcome"


@asynccontextmanager
async def connection(url: str, **options: Any) -> AsyncIterator[FakePlugin]:
    """A socket to the listener that has said nothing yet."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0, **options) as socket:
        yield FakePlugin(socket)


class PluginThread:
    """A protocol 2 plugin with a loop of its own, for tests that block. A context manager."""

    def __init__(self, port: int, token: str, **hello: Any) -> None:
        self._port = port
        self._token = token
        self._hello = hello
        self._loop = asyncio.new_event_loop()
        self._link: FakePlugin | None = None
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
        assert self._link is not None
        self._do(self._link.send(*frames))

    def event(self, kind: str, **properties: Any) -> None:
        self.send([kind, properties])

    async def _connect(self) -> None:
        self._link = await self._open.enter_async_context(connection(f"http://127.0.0.1:{self._port}/"))
        await self._link.authenticate(self._token, **self._hello)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)


@asynccontextmanager
async def plugin(at: Desk, **hello: Any) -> AsyncIterator[FakePlugin]:
    """An authenticated protocol 2 plugin."""
    async with connection(at.url) as made:
        await made.authenticate(**hello)
        yield made
