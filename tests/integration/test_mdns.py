"""OpenCode servers that announce themselves on the local network."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from model_server import ModelServer
from network import ip, network_namespace
from opencode import NEWEST, OpenCode
from tray.core.events import ServerConnected, SourceEvent
from tray.sources.discovery import Discovery, DiscoverySettings
from tray.system import mdns
from tray.system.mdns import SERVICE, MdnsBrowser
from tray_process import Home
from waiting import until as wait_until
from waiting import until_async as until

FAR = "192.0.2.7"  # reserved for documentation (RFC 5737)
FAR_MACHINE = "198.18.0.2"


def info(name: str, port: int, address: str = FAR) -> AsyncServiceInfo:
    """Return an announcement as OpenCode 1.18 sends it."""
    return AsyncServiceInfo(
        SERVICE, f"{name}.{SERVICE}", parsed_addresses=[address], port=port,
        properties={"path": "/"}, server=f"{name}.local.",
    )  # fmt: skip


@asynccontextmanager
async def browsing(
    on_change: Callable[[], None] = lambda: None,
) -> AsyncIterator[tuple[MdnsBrowser, AsyncZeroconf]]:
    """Run a browser, and the mDNS of another machine."""
    browser = MdnsBrowser(on_change)
    await browser.start()
    network = AsyncZeroconf(ip_version=IPVersion.V4Only)
    try:
        yield browser, network
    finally:
        await network.async_close()
        await browser.stop()


def urls_of(browser: MdnsBrowser, names: Iterable[str]) -> list[str]:
    """Return the URLs of these servers: tests that run at the same time announce others."""
    return [browser.urls[name] for name in (f"{name}.{SERVICE}" for name in names) if name in browser.urls]


def run(scenario: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(asyncio.wait_for(scenario, 40))
    except TimeoutError:
        raise
    except OSError as error:
        pytest.skip(f"no multicast on this machine: {error}")


def test_announced_opencode_servers_of_other_machines_are_found_and_removed() -> None:
    async def scenario() -> None:
        changes: list[int] = []
        names = ("printer", "opencode-4096", "opencode-4097")
        async with browsing(lambda: changes.append(1)) as (browser, network):
            await network.async_register_service(info("printer", 80))
            await network.async_register_service(info("opencode-4097", 4097, "127.0.0.1"))  # found as a process
            found = info("opencode-4096", 4096)
            await network.async_register_service(found)
            await until(lambda: urls_of(browser, names), deadline=15)
            assert urls_of(browser, names) == [f"http://{FAR}:4096"]
            await network.async_unregister_service(found)
            await until(lambda: not urls_of(browser, names), deadline=15)
            assert changes

    run(scenario())


def test_an_announced_ipv6_address_becomes_a_valid_url() -> None:
    async def scenario() -> None:
        async with browsing() as (browser, network):
            await network.async_register_service(info("opencode-4098", 4098, "2001:db8::7"))
            await until(lambda: urls_of(browser, ["opencode-4098"]), deadline=15)
            assert urls_of(browser, ["opencode-4098"]) == ["http://[2001:db8::7]:4098"]

    run(scenario())


def test_without_a_network_at_first_the_next_look_finds_announced_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    urls: set[str | None] = set()

    def report(event: SourceEvent) -> None:
        if isinstance(event, ServerConnected):
            urls.add(event.server.url)

    def no_network(**_: Any) -> AsyncZeroconf:
        raise OSError

    async def scenario() -> None:
        settings = DiscoverySettings(processes=False, network=True, servers=())
        discovery = Discovery(report, lambda: 0, list, list, lambda: settings, {})
        try:
            with monkeypatch.context() as patched:
                patched.setattr(mdns, "AsyncZeroconf", no_network)
                await discovery.look()
            await discovery.look()
            async with browsing() as (_, network):
                await network.async_register_service(info("opencode-4100", 4100))
                await until(lambda: f"http://{FAR}:4100" in urls, deadline=20)
        finally:
            await discovery.stop()

    run(scenario())


def test_a_server_that_is_removed_while_it_is_resolved_is_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving, cancelled, may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(addresses: list[str], port: int) -> str | None:
        if port != 4099:
            return None  # of another test
        resolving.set()
        try:
            await may_end.wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return addresses[0]

    monkeypatch.setattr(mdns, "_reachable", slow)

    async def scenario() -> None:
        async with browsing() as (browser, network):
            announced = info("opencode-4099", 4099)
            await network.async_register_service(announced)
            await asyncio.wait_for(resolving.wait(), 15)
            await network.async_unregister_service(announced)
            with suppress(TimeoutError):
                await asyncio.wait_for(cancelled.wait(), 5)
            may_end.set()
            await asyncio.sleep(0.1)
            assert urls_of(browser, ["opencode-4099"]) == []

    run(scenario())


@pytest.fixture
def machine() -> Iterator[str]:
    """Create a network namespace with its own address, which looks like another machine."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and the ip command of Linux to create another machine")
    with ExitStack() as stack:
        try:
            name = stack.enter_context(network_namespace(f"far{os.getpid()}", "198.18.0.1", FAR_MACHINE))  # RFC 2544
            ip("-n", name, "route", "add", "224.0.0.0/4", "dev", f"{name}f")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"cannot create a network namespace: {error.stderr}")
        yield name


@pytest.mark.opencode
def test_an_announced_server_of_another_machine_is_shown_read_only(machine: str, tmp_path: Path) -> None:
    home = Home(tmp_path)
    with ModelServer() as model:
        opencode = OpenCode(NEWEST, tmp_path / "far", model.port, {}, plugin=False)
        home.tray("--mdns", "--no-notify")
        log = (tmp_path / "log").open("w")
        far = subprocess.Popen(
            ["ip", "netns", "exec", machine, opencode.binary, "serve", "--mdns", "--print-logs"],
            cwd=opencode.project, env={**os.environ, **opencode.environment}, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            (server,) = wait_until(lambda: home.status()["servers"], deadline=40)
            assert server["url"].startswith(f"http://{FAR_MACHINE}:")
            assert (server["source"], server["version"], server["directory"]) == (
                "http", NEWEST, str(opencode.project),
            )  # fmt: skip
            assert "[[servers]]" in server["read_only_reason"]  # an unauthenticated server gets no answers
            far.terminate()
            wait_until(lambda: not any(server["connected"] for server in home.status()["servers"]), deadline=20)
        finally:
            far.kill()
            far.wait()
            log.close()
            home.stop()
