"""A server's events, one after the other, for as long as it lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tray.core.source_calls import CallError, CallErrorKind
from tray.opencode.api import Api
from tray.opencode.lenient_json import WRONG, decode
from tray.opencode.sse import Decoder, TooBigError

SILENCE = 30.0  # s without a byte, after which the server has to show that it lives

Json = dict[str, Any]


@asynccontextmanager
async def subscribe(api: Api) -> AsyncIterator[AsyncIterator[Json]]:
    """What happens from now on: `{directory, payload: {type, properties}}`. Raises CallError, LockedError.

    The events do not end by themselves: CallError tells that the server went away, or answers no more.
    """
    async with api.stream("/global/event") as stream:
        yield _events(stream, api)


async def _events(stream: aiohttp.StreamReader, api: Api) -> AsyncIterator[Json]:
    decoder = Decoder()
    while True:
        try:
            async with asyncio.timeout(SILENCE):
                chunk = await stream.readany()
            texts = list(decoder.feed(chunk))
        except TimeoutError:
            await api.get("/global/health")
            continue
        except aiohttp.ClientError as error:
            raise CallError("the connection was lost", CallErrorKind.GONE) from error
        except TooBigError as error:
            raise CallError("it sends what is no event of OpenCode's") from error
        if not chunk:
            raise CallError("the connection was lost", CallErrorKind.GONE)
        for text in texts:
            try:
                event = decode(text)
            except WRONG:
                continue
            if isinstance(event, dict) and isinstance(event.get("payload"), dict):
                yield event
