"""Servers that announce themselves on the network."""

from __future__ import annotations

import asyncio
import socket

import pytest
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from fakes import until
from tray.system.mdns import SERVICE, Announced

FAR = "192.0.2.7"  # of RFC 5737: nobody's


def info(name: str, port: int, address: str = FAR) -> AsyncServiceInfo:
    """As OpenCode 1.18 announces itself."""
    return AsyncServiceInfo(
        SERVICE, f"{name}.{SERVICE}", addresses=[socket.inet_aton(address)], port=port,
        properties={"path": "/"}, server=f"{name}.local.",
    )  # fmt: skip


def test_those_of_opencode_on_other_machines_are_found_and_lost() -> None:
    async def story() -> None:
        changes: list[int] = []
        announced = Announced(lambda: changes.append(1))
        await announced.start()
        network = AsyncZeroconf(ip_version=IPVersion.V4Only)
        try:
            await network.async_register_service(info("printer", 80))
            await network.async_register_service(info("opencode-4097", 4097, "127.0.0.1"))  # found as a process
            found = info("opencode-4096", 4096)
            await network.async_register_service(found)
            await until(lambda: announced.urls, 15)
            assert list(announced.urls.values()) == [f"http://{FAR}:4096"]
            await network.async_unregister_service(found)
            await until(lambda: not announced.urls, 15)
            assert changes
        finally:
            await network.async_close()
            await announced.stop()

    try:
        asyncio.run(asyncio.wait_for(story(), 40))
    except OSError as error:
        pytest.skip(f"no multicast on this machine: {error}")
