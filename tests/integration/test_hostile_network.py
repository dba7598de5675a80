"""Machines on the local network that announce servers which are none, too many, or somewhere else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Iterator

import psutil
import pytest
from zeroconf import DNSAddress, DNSOutgoing, DNSPointer, DNSService, DNSText

from tray.core.remote_hosts import HttpServer
from tray.sources.http.addresses import server_addresses
from tray.system.mdns import MAX_SERVERS, SERVICE, MdnsBrowser
from waiting import until_async as until

FAR = "192.0.2.7"  # reserved for documentation (RFC 5737)
GROUP = ("224.0.0.251", 5353)  # RFC 6762
RESPONSE, IN, UNIQUE, A, PTR, TXT, SRV = 0x8400, 1, 0x8001, 1, 12, 16, 33  # RFC 1035, 2782, 6762


def packets(names: Iterable[str], address: str = FAR, port: int = 4096) -> Iterator[bytes]:
    """Yield the announcements of services, one packet each."""
    for name in names:
        full, host = f"{name}.{SERVICE}", f"{name}.local."
        packet = DNSOutgoing(RESPONSE)
        packet.add_answer_at_time(DNSPointer(SERVICE, PTR, IN, 4500, full), 0)
        packet.add_answer_at_time(DNSService(full, SRV, UNIQUE, 120, 0, 0, port, host), 0)
        packet.add_answer_at_time(DNSText(full, TXT, UNIQUE, 4500, b"\x06path=/"), 0)
        record = DNSAddress(host, A, UNIQUE, 120, socket.inet_aton(address))
        packet.add_answer_at_time(record, 0)
        yield from packet.packets()


async def announce(*arguments: Iterable[bytes]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        for sent in arguments:
            for packet in sent:
                try:
                    sender.sendto(packet, GROUP)
                except OSError as error:
                    pytest.skip(f"no multicast on this machine: {error}")
                await asyncio.sleep(0)


async def browsing() -> MdnsBrowser:
    browser = MdnsBrowser(lambda: None)
    await browser.start()
    return browser


def test_thousands_of_announcements_add_a_limited_number_of_servers_and_fill_no_memory() -> None:
    async def scenario() -> None:
        browser, process = await browsing(), psutil.Process()
        before = process.memory_info().rss
        try:
            await announce(packets(f"opencode-{number}" for number in range(10_000, 14_000)))
            await until(lambda: len(browser.urls) >= 20, "some of them are found")
            await announce(packets(f"opencode-{number}" for number in range(14_000, 16_000)))
            await asyncio.sleep(1)  # the other queries end
            assert len(browser.urls) <= MAX_SERVERS
            assert process.memory_info().rss - before < 50e6
        finally:
            await browser.stop()

    asyncio.run(asyncio.wait_for(scenario(), 40))


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "169.254.169.254", "224.0.0.1", "127.8.8.8"])  # noqa: S104
def test_an_announcement_leads_to_no_address_of_this_machine_and_of_no_special_kind(address: str) -> None:
    """On the loopback there are programs that trust their callers, at 169.254.169.254 the secrets of cloud machines."""

    async def scenario() -> None:
        browser = await browsing()
        try:
            await announce(packets(["opencode-9001"], address, 41235))
            await announce(packets(["opencode-9002"]))
            await until(lambda: f"opencode-9002.{SERVICE}" in browser.urls, "the other one is found")
            assert f"opencode-9001.{SERVICE}" not in browser.urls
        finally:
            await browser.stop()

    asyncio.run(asyncio.wait_for(scenario(), 40))


@pytest.mark.parametrize(
    "name", ["opencode-4096 -x", "opencode-4096\nHost: evil", "opencode-\x1b[2J", "opencode-4096@evil", "../opencode-1"]
)
def test_a_name_that_opencode_does_not_use_is_not_resolved(name: str) -> None:
    async def scenario() -> None:
        browser = await browsing()
        try:
            await announce(packets([name]), packets(["opencode-9003"]))
            await until(lambda: f"opencode-9003.{SERVICE}" in browser.urls, "the other one is found")
            assert not [found for found in browser.urls if name in found]
        finally:
            await browser.stop()

    asyncio.run(asyncio.wait_for(scenario(), 40))


def test_an_announced_server_gets_no_password_and_is_not_trusted() -> None:
    configured = [HttpServer("http://10.0.0.1:4096", "opencode", "secret")]
    announced = ["http://10.0.0.1:4096", "http://10.0.0.1:4097", "http://10.0.0.1:4096.evil:80"]
    known, *others = server_addresses({}, configured, announced, {"OPENCODE_SERVER_PASSWORD": "secret"})
    assert (known.password, known.trusted) == ("secret", True)
    assert [(address.password, address.trusted) for address in others] == [("", False), ("", False)]
