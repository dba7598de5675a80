"""Subscribe to the events of an OpenCode server over HTTP (Server-Sent Events)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp

from tray.core.lenient_json import JSON_ERRORS, decode
from tray.core.source_calls import CallError, CallErrorKind
from tray.opencode.api import Api
from tray.opencode.sse import Decoder, TooBigError
from tray.opencode.turn import Turn

SILENCE = 30.0  # s without a byte, after which the server has to show that it is alive; newer ones send one every 10 s
SLICE = 16_384  # bytes that are decoded at once

Json = dict[str, Any]


@asynccontextmanager
async def subscribe(api: Api) -> AsyncIterator[AsyncIterator[Json]]:
    """Subscribe to events `{directory, payload: {type, properties}}`. Raises what `subscribe_raw` raises."""
    async with subscribe_raw(api) as events:
        yield _decoded(events)


@asynccontextmanager
async def subscribe_raw(
    api: Api, *, silence: float = SILENCE, has_heartbeats: Callable[[], bool] = lambda: False
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Subscribe to events as undecoded JSON. Raises CallError, LockedError.

    The events end only with an exception: CallError if the connection is lost, an event is too long, or the server does
    not answer. A connection may be dead without an error, so after `silence` seconds without a byte the server's health
    is requested; if it is known to send heartbeats, that silence is an error.
    """
    async with (
        api.stream("/global/event") as stream,
        aclosing(_events(stream, api, silence, has_heartbeats)) as events,
    ):
        yield events


async def _events(
    stream: aiohttp.StreamReader, api: Api, silence: float, has_heartbeats: Callable[[], bool]
) -> AsyncGenerator[bytes]:
    decoder = Decoder()
    while True:
        try:
            async with asyncio.timeout(silence):
                chunk = await stream.readany()
        except TimeoutError:
            if has_heartbeats():
                raise CallError(f"no data for {silence:g} s", CallErrorKind.SILENT) from None
            await api.get("/global/health")
            continue
        except (aiohttp.ClientError, OSError) as error:
            raise CallError("the connection was lost", CallErrorKind.GONE) from error
        if not chunk:
            raise CallError("the connection was lost", CallErrorKind.GONE)
        turn = Turn()
        for start in range(0, len(chunk), SLICE):
            for event in _events_of(decoder, chunk[start : start + SLICE]):
                yield event
                await turn.give_way()
            await turn.give_way()


def _events_of(decoder: Decoder, part: bytes) -> Iterator[bytes]:
    try:
        yield from decoder.feed(part)
    except TooBigError as error:
        raise CallError("an event is too long: is this an OpenCode server?") from error


async def _decoded(events: AsyncIterator[bytes]) -> AsyncIterator[Json]:
    async for raw in events:
        try:
            event = decode(raw)
        except JSON_ERRORS:
            continue
        if isinstance(event, dict) and isinstance(event.get("payload"), dict):
            yield event
