"""All HTTP servers that are followed, and the calls to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import aiohttp

from tray.core.events import SourceEvent
from tray.core.source_calls import CallError, CallErrorKind
from tray.opencode.api import ServerAddress
from tray.sources.http.connection import SILENCE, HttpConnection

STOP_TIMEOUT = 0.5  # s
PER_HOST = 10  # connections to one server, that of its events among them


class HttpServers:
    """Follows the servers it is told to. `report` gets every fact, on the loop's thread."""

    def __init__(self, report: Callable[[SourceEvent], None], now: Callable[[], int], silence: float = SILENCE) -> None:
        self._silence = silence  # s without a byte, after which a server has to show that it lives
        self._report = report
        self._now = now
        self._http: aiohttp.ClientSession | None = None
        self._stopped = False
        self._followers: dict[str, tuple[HttpConnection, asyncio.Task[None]]] = {}  # by address

    def follow(self, addresses: Iterable[ServerAddress], elsewhere: Collection[str] = ()) -> None:
        """Follow these from now on, and no others. One that goes is greyed for a while.

        `elsewhere`: the addresses whose sessions a better source tells; of these nothing is shown.
        """
        if self._stopped:
            return
        wanted = {address.url: address for address in addresses}
        for url, (follower, task) in list(self._followers.items()):
            if wanted.get(url) == follower.address:
                continue
            del self._followers[url]
            if url in elsewhere:
                follower.forget()
            else:
                follower.gone()
            task.cancel()
        for url in wanted.keys() - self._followers.keys():
            follower = HttpConnection(wanted[url], self._client(), self._report, self._now, self._silence)
            task = asyncio.get_running_loop().create_task(follower.run(), name=f"follow {url}")
            self._followers[url] = (follower, task)

    def reread_all(self) -> None:
        """Take every snapshot anew: after sleep, or a jump of the clock."""
        for follower, _ in self._followers.values():
            follower.reread()

    async def stop(self) -> None:
        """End all connections, for good."""
        self._stopped = True
        tasks = [task for _, task in self._followers.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_TIMEOUT)
        self._followers.clear()
        if self._http is not None:
            await self._http.close()

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Ask the server (a `core.calls.Call`). Raises CallError; nothing is asked of one that anybody may be."""
        follower = next((one for one, _ in self._followers.values() if one.knows(server_id)), None)
        if follower is None:
            raise CallError("its server is not followed any more", CallErrorKind.GONE)
        if not follower.address.trusted:
            raise CallError("it was found on the network and is read-only", CallErrorKind.WATCH_ONLY)
        return await follower.call(server_id, method, params)

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=PER_HOST),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
            )
        return self._http
