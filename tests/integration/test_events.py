"""Subscribing to the events of a server that misbehaves."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from fake_opencode import FakeOpenCode
from fakes import until
from tray.core.source_calls import CallError
from tray.opencode import sse
from tray.opencode.api import Api, ServerAddress
from tray.opencode.event_stream import subscribe


def test_invalid_events_are_skipped_and_an_endless_one_ends_the_subscription(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 10_000)

    async def scenario() -> None:
        seen: list[str] = []
        async with FakeOpenCode() as fake, aiohttp.ClientSession() as http:

            async def follow() -> None:
                async with subscribe(Api(ServerAddress(fake.url), http)) as events:
                    async for event in events:
                        seen.append(event["payload"]["type"])  # noqa: PERF401  # the test reads it meanwhile

            following = asyncio.create_task(follow())
            await until(lambda: fake.subscribers)
            await fake.send(b'data: nonsense\n\ndata: []\n\ndata: {"payload": 7}\n\ndata: ' + b"[" * 5_000 + b"\n\n")
            await fake.send(b'data: {"payload":{"type":"cut","title":"\\ud83d"}}\n\n')
            await until(lambda: "cut" in seen)
            assert seen == ["server.connected", "cut"]
            await fake.send(b"data: " + b"x" * 20_000)
            with pytest.raises(CallError, match="an event is too long"):
                await asyncio.wait_for(following, 5)

    asyncio.run(asyncio.wait_for(scenario(), 30))
