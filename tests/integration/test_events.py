"""The event stream of a server that sends invalid data."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from fake_opencode import FakeOpenCode
from fakes import until
from tray.core.source_calls import CallError
from tray.opencode import sse
from tray.opencode.api import Address, Api
from tray.opencode.event_stream import subscribe


def test_invalid_events_are_skipped_and_an_endless_event_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 10_000)

    async def story() -> None:
        seen: list[str] = []
        async with FakeOpenCode() as fake, aiohttp.ClientSession() as http:

            async def follow() -> None:
                async with subscribe(Api(Address(fake.url), http)) as events:
                    async for event in events:
                        seen.append(event["payload"]["type"])  # noqa: PERF401  # the list is read while it grows

            following = asyncio.create_task(follow())
            await until(lambda: fake.followers)
            await fake.send(b'data: nonsense\n\ndata: []\n\ndata: {"payload": 7}\n\ndata: ' + b"[" * 5_000 + b"\n\n")
            await fake.send(b'data: {"payload":{"type":"cut","title":"\\ud83d"}}\n\n')
            await until(lambda: "cut" in seen)
            assert seen == ["server.connected", "cut"]
            await fake.send(b"data: " + b"x" * 20_000)
            with pytest.raises(CallError, match="no event of OpenCode's"):
                await asyncio.wait_for(following, 5)

    asyncio.run(asyncio.wait_for(story(), 30))
