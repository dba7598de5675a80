"""Finding the HTTP servers of processes, and the end of the search."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from pathlib import Path

import pytest
from aiohttp import web

from fake_opencode import FakeOpenCode
from real_windows import needs_real_windows
from tray.core.events import SourceEvent
from tray.core.remote_hosts import HttpServer
from tray.core.servers import Server, Source
from tray.opencode.api import ServerAddress
from tray.opencode.processes import OpenCodeProcess
from tray.sources import discovery
from tray.sources.discovery import Discovery, DiscoverySettings
from tray.sources.http.addresses import server_addresses, url_of
from tray.system.own_host import own_host
from waiting import until_async as until
from web_server import serving


def process(environment: dict[str, str] | None = None) -> OpenCodeProcess:
    """Return this test's process as if it were OpenCode."""
    return OpenCodeProcess(os.getpid(), time.time(), "/work", (), Path("/nowhere"), environment or {})


@needs_real_windows("it does not tell whose a port is")
@pytest.mark.parametrize("password", ["", "secret"])
def test_the_http_server_of_a_process_is_found_with_and_without_a_password(password: str) -> None:
    async def scenario() -> None:
        async with FakeOpenCode(password=password) as fake:
            assert await url_of(process()) == fake.url

    asyncio.run(asyncio.wait_for(scenario(), 10))


@needs_real_windows("it does not tell whose a port is")
@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"healthy": false}', b"7", b"\xff"])
def test_another_server_of_a_process_is_not_taken_for_opencode(body: bytes) -> None:
    async def respond(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async def scenario() -> None:
        application = web.Application()
        application.router.add_get("/global/health", respond)
        async with serving(application):
            assert await url_of(process()) is None

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_credentials_come_from_the_settings_or_the_process_and_announced_servers_are_not_trusted() -> None:
    local, other, far = "http://127.0.0.1:4096", "http://127.0.0.1:4097", "http://192.0.2.7:4096"
    pid = os.getpid()
    found = server_addresses(
        {local: process(), other: process({"OPENCODE_SERVER_PASSWORD": "from the process"})},
        [HttpServer("http://localhost:4096/", "me", password_env="VARIABLE")],
        [far],
        {"VARIABLE": "from the variable"},
    )
    assert list(found) == [
        ServerAddress(local, "me", "from the variable", pid),
        ServerAddress(other, "opencode", "from the process", pid),
        ServerAddress(far, trusted=False),
    ]


def test_a_process_that_started_in_the_future_is_not_looked_at_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the clock was set back, the start times of processes may be in the future."""
    looks: list[int] = []

    async def no_port(_: OpenCodeProcess) -> str:
        looks.append(1)
        return ""

    future = OpenCodeProcess(os.getpid(), time.time() + 3600, str(tmp_path), (), tmp_path)
    monkeypatch.setattr(discovery, "running_processes", lambda: [future])
    monkeypatch.setattr(discovery, "url_of", no_port)
    monkeypatch.setattr(discovery, "START_TIME", 0.5)
    monkeypatch.setattr(discovery, "PORT_INTERVAL", 0.1)
    settings = DiscoverySettings(processes=True, network=False, servers=())

    async def scenario() -> None:
        found = Discovery(lambda _: None, lambda: 0, list, list, lambda: settings, {"XDG_DATA_HOME": str(tmp_path)})
        await found.look()
        await until(lambda: len(looks) >= 2)
        await asyncio.sleep(1.5)
        number = len(looks)
        await asyncio.sleep(0.5)
        assert len(looks) == number
        await found.stop()

    asyncio.run(asyncio.wait_for(scenario(), 20))


@pytest.mark.fault
@pytest.mark.parametrize("passed", [discovery.RECONNECT_TIME, -86_400_000])
def test_a_server_whose_plugin_is_lost_is_followed_over_http_also_when_the_clock_is_set_back(passed: int) -> None:
    at = 1_795_237_290_000

    async def scenario() -> None:
        async with FakeOpenCode() as fake:
            lost = Server(
                "s", "work", own_host(), "/work", source=Source.PLUGIN, url=fake.url, connected=False, lost_at=at
            )
            settings = DiscoverySettings(processes=False, network=False, servers=(HttpServer(fake.url),))
            found = Discovery(lambda _: None, lambda: at + passed, lambda: [lost], list, lambda: settings, {})
            await found.look()
            await until(lambda: fake.requests["GET /global/health"], "its first request")
            await found.stop()

    asyncio.run(asyncio.wait_for(scenario(), 20))


@pytest.mark.skipif(sys.platform != "linux", reason="watches processes with pidfd")
def test_a_search_that_ends_after_the_stop_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, may_end = threading.Event(), threading.Event()

    def slow_processes() -> list[OpenCodeProcess]:
        reading.set()
        may_end.wait(5)
        return [process()]

    monkeypatch.setattr(discovery, "running_processes", slow_processes)
    events: list[SourceEvent] = []
    settings = DiscoverySettings(processes=True, network=False, servers=())

    async def scenario() -> None:
        before = open_pidfds()
        found = Discovery(events.append, lambda: 0, list, list, lambda: settings, {})
        looking = asyncio.create_task(found.look())
        await until(reading.is_set)
        await found.stop()
        may_end.set()
        await looking
        assert open_pidfds() == before
        assert not any("watchdog" in type(thread).__module__ for thread in threading.enumerate())
        assert events == []

    asyncio.run(asyncio.wait_for(scenario(), 20))


def open_pidfds() -> int:
    """Return the number of open descriptors of processes."""
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(descriptor.readlink()))
        except OSError:
            continue  # the descriptor of the listing itself
    return sum("pidfd" in link for link in links)
