"""OpenCode servers that announce themselves on the local network (`opencode serve --mdns`)."""

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

log = logging.getLogger(__name__)

SERVICE = "_http._tcp.local."  # what OpenCode announces itself as, with a name of its own
NAME = re.compile(r"opencode-\d{1,5}( \(\d+\))?\._http\._tcp\.local\.", re.IGNORECASE)
ASK_WITHIN = 3000  # ms
CONNECT_WITHIN = 1.0  # s
QUESTIONS = 20  # under way at once
MOST = 50  # servers: anybody on the network may announce some


class Announced:
    """Listens for announcements. `urls` are those of other machines; `changed` is called on the loop's thread."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.urls: dict[str, str] = {}  # by name
        self._changed = changed
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def listens(self) -> bool:
        """Whether it has been started."""
        return self._zeroconf is not None

    async def start(self) -> None:
        """Begin to listen. A machine without a network is logged, and hears nothing."""
        try:
            self._zeroconf = AsyncZeroconf(ip_version=IPVersion.V4Only)
        except OSError as error:
            log.warning("the local network cannot be listened to: %s", error)
            return
        self._browser = AsyncServiceBrowser(self._zeroconf.zeroconf, SERVICE, handlers=[self._heard])

    async def stop(self) -> None:
        """Listen no more."""
        for task in self._tasks:
            task.cancel()
        if self._browser is not None:
            await self._browser.async_cancel()
        if self._zeroconf is not None:
            await self._zeroconf.async_close()
        self._zeroconf = self._browser = None
        self.urls.clear()

    def _heard(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange, **_: Any
    ) -> None:
        if not NAME.fullmatch(name):
            return
        if state_change is ServiceStateChange.Removed:
            if self.urls.pop(name, None) is not None:
                self._changed()
            return
        if len(self._tasks) >= QUESTIONS:
            return  # somebody announces whatever comes to mind
        task = asyncio.get_running_loop().create_task(self._ask(zeroconf, service_type, name), name=f"ask for {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, zeroconf: Zeroconf, service_type: str, name: str) -> None:
        info = AsyncServiceInfo(service_type, name)
        if not await info.async_request(zeroconf, ASK_WITHIN) or info.port is None:
            return
        own = _own_addresses()
        others = [address for address in info.parsed_addresses() if _is_another_machine(address) and address not in own]
        address = await _answering(others, info.port)
        if address is not None and (name in self.urls or len(self.urls) < MOST):
            self.urls[name] = f"http://{address}:{info.port}"
            self._changed()


async def _answering(addresses: list[str], port: int) -> str | None:
    """Which address it is: every OpenCode calls its machine `opencode.local`, so it may seem to have all of theirs."""
    if len(addresses) < 2:
        return addresses[0] if addresses else None
    for address in addresses:
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                _, writer = await asyncio.open_connection(address, port)
        except (OSError, TimeoutError):
            continue
        writer.close()
        return address
    return None


def _is_another_machine(address: str) -> bool:
    told = ipaddress.ip_address(address)
    return not (told.is_loopback or told.is_unspecified or told.is_multicast or told.is_link_local)


def _own_addresses() -> set[str]:
    """What runs here is found here, and followed over loopback."""
    return {address.address for addresses in psutil.net_if_addrs().values() for address in addresses}
