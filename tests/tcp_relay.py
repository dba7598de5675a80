"""Pass TCP connections on to another port, as a tunnel or a proxy does."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from ssl import SSLContext
from typing import Any

Accept = Callable[[StreamReader, StreamWriter], Awaitable[None]]
Copy = Callable[[StreamReader, StreamWriter], Awaitable[None]]


@asynccontextmanager
async def relaying(
    port: int,
    tls: SSLContext | None = None,
    accept: Accept | None = None,
    forth: Copy | None = None,
    back: Copy | None = None,
) -> AsyncIterator[int]:
    """Pass connections on to a port of the loopback; yield the relay's port. `accept` talks to the client first.

    `forth` and `back` copy what the client and the port send, until they return; both ends are closed then.
    """
    running: set[asyncio.Task[Any] | None] = set()

    async def relay(reader: StreamReader, writer: StreamWriter) -> None:
        running.add(asyncio.current_task())
        writers = [writer]
        try:
            if accept is not None:
                await accept(reader, writer)
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(far_writer)
            await asyncio.gather((forth or _copy)(reader, far_writer), (back or _copy)(far_reader, writer))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            for each in writers:
                each.transport.abort()

    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        tasks = [task for task in running if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(ConnectionError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    writer.close()
