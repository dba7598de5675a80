"""Find OpenCode servers that announce themselves with mDNS on the local network (`opencode serve --mdns`)."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
from collections.abc import Callable
from typing import Any

import psutil
from zeroconf import IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from tray.system.tasks import TaskSet

log = logging.getLogger(__name__)

SERVICE = "_http._tcp.local."  # the service type that OpenCode announces; NAME tells its instances from others
NAME = re.compile(r"opencode-\d{1,5}( \(\d+\))?\._http\._tcp\.local\.", re.IGNORECASE)
RESOLVE_TIMEOUT = 3000  # ms
CONNECT_TIMEOUT = 1.0  # s
MAX_QUERIES = 20  # at the same time
STOP_TIMEOUT = 0.5  # s
MAX_SERVERS = 50  # any machine on the network may announce servers


class MdnsBrowser:
    """Maintains the URLs of the OpenCode servers that other machines announce.

    `on_change` is called on the event loop after each change.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.urls: dict[str, str] = {}  # by the name of the announced service
        self._on_change = on_change
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self._queries: dict[str, asyncio.Task[None]] = {}  # by the name of the announced service
        self._tasks = TaskSet()
        self._has_failed = False  # at the last start

    async def start(self) -> None:
        """Start browsing, if it is not running. Without a network, log a warning once; call it again later."""
        if self._zeroconf is not None:
            return
        try:
            self._zeroconf = AsyncZeroconf(ip_version=IPVersion.V4Only)
        except OSError as error:
            log.log(
                logging.DEBUG if self._has_failed else logging.WARNING,
                "cannot browse the local network with mDNS: %s",
                error,
            )
            self._has_failed = True
            return
        self._has_failed = False
        self._browser = AsyncServiceBrowser(self._zeroconf.zeroconf, SERVICE, handlers=[self._on_service])

    async def stop(self) -> None:
        """Stop browsing and forget the servers."""
        if self._browser is not None:
            await self._browser.async_cancel()
        self._tasks.cancel_all()
        await self._tasks.wait(STOP_TIMEOUT)
        if self._zeroconf is not None:
            await self._zeroconf.async_close()
        self._zeroconf = self._browser = None
        self.urls.clear()

    def _on_service(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange, **_: Any
    ) -> None:
        if not NAME.fullmatch(name):
            return
        self._queries = {name: query for name, query in self._queries.items() if not query.done()}
        if name in self._queries:
            self._queries.pop(name).cancel()  # its result would be out of date
        if state_change is ServiceStateChange.Removed:
            if self.urls.pop(name, None) is not None:
                self._on_change()
        elif len(self._queries) < MAX_QUERIES:  # a machine may flood the network with announcements
            self._queries[name] = self._tasks.spawn(self._resolve(zeroconf, service_type, name), f"resolve {name}")

    async def _resolve(self, zeroconf: Zeroconf, service_type: str, name: str) -> None:
        info = AsyncServiceInfo(service_type, name)
        if not await info.async_request(zeroconf, RESOLVE_TIMEOUT) or info.port is None:
            return
        own = _own_addresses()
        others = [address for address in info.parsed_addresses() if _is_another_machine(address) and address not in own]
        address = await _reachable(others, info.port)
        if address is not None and (name in self.urls or len(self.urls) < MAX_SERVERS):
            self.urls[name] = f"http://{f'[{address}]' if ':' in address else address}:{info.port}"
            self._on_change()


async def _reachable(addresses: list[str], port: int) -> str | None:
    """Return the first address that accepts a connection, or None; a single address is not tested.

    OpenCode announces each machine as `opencode.local`, so that name may resolve to the addresses of several machines.
    """
    if len(addresses) < 2:
        return addresses[0] if addresses else None
    for address in addresses:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, writer = await asyncio.open_connection(address, port)
        except (OSError, TimeoutError):
            continue
        writer.close()
        return address
    return None


def _is_another_machine(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_loopback or parsed.is_unspecified or parsed.is_multicast or parsed.is_link_local)


def _own_addresses() -> set[str]:
    """Return the addresses of this machine: its own servers are found by their processes."""
    return {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}
