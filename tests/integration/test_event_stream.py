"""Subscribing to the events of a server that misbehaves."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from fake_opencode import FakeOpenCode
from tray.core.source_calls import CallError, CallErrorKind
from tray.opencode import sse
from tray.opencode.api import Api, ServerAddress
from tray.opencode.event_stream import subscribe, subscribe_raw
from waiting import until_async as until


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


def test_silence_is_an_error_only_if_the_server_sends_heartbeats() -> None:
    async def scenario() -> None:
        sends_heartbeats = False
        async with FakeOpenCode() as fake, aiohttp.ClientSession() as http:
            api = Api(ServerAddress(fake.url), http)
            async with subscribe_raw(api, silence=0.05, has_heartbeats=lambda: sends_heartbeats) as events:
                assert b"server.connected" in await anext(events)
                waiting = asyncio.ensure_future(anext(events))
                await until(lambda: fake.requests["GET /global/health"] >= 3)
                assert not waiting.done()
                sends_heartbeats = True
                with pytest.raises(CallError) as caught:
                    await asyncio.wait_for(waiting, 5)
                assert caught.value.kind is CallErrorKind.SILENT

    asyncio.run(asyncio.wait_for(scenario(), 30))
