"""OpenCode servers that announce themselves on the local network."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

import tray_process
from fakes import until
from model_server import ModelServer
from opencode import NEWEST, OpenCode
from tray.system.mdns import SERVICE, MdnsBrowser
from tray_process import Home

FAR = "192.0.2.7"  # reserved for documentation (RFC 5737)
FAR_MACHINE = "198.18.0.2"


def info(name: str, port: int, address: str = FAR) -> AsyncServiceInfo:
    """Return an announcement as OpenCode 1.18 sends it."""
    return AsyncServiceInfo(
        SERVICE, f"{name}.{SERVICE}", addresses=[socket.inet_aton(address)], port=port,
        properties={"path": "/"}, server=f"{name}.local.",
    )  # fmt: skip


def test_announced_opencode_servers_of_other_machines_are_found_and_removed() -> None:
    async def scenario() -> None:
        changes: list[int] = []
        browser = MdnsBrowser(lambda: changes.append(1))
        await browser.start()
        network = AsyncZeroconf(ip_version=IPVersion.V4Only)
        try:
            await network.async_register_service(info("printer", 80))
            await network.async_register_service(info("opencode-4097", 4097, "127.0.0.1"))  # found as a process
            found = info("opencode-4096", 4096)
            await network.async_register_service(found)
            await until(lambda: browser.urls, 15)
            assert list(browser.urls.values()) == [f"http://{FAR}:4096"]
            await network.async_unregister_service(found)
            await until(lambda: not browser.urls, 15)
            assert changes
        finally:
            await network.async_close()
            await browser.stop()

    try:
        asyncio.run(asyncio.wait_for(scenario(), 40))
    except OSError as error:
        pytest.skip(f"no multicast on this machine: {error}")


@pytest.fixture
def machine() -> Iterator[str]:
    """Create a network namespace with its own address, which looks like another machine."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and the ip command of Linux to create another machine")
    name, cable = f"far{os.getpid()}", f"v{os.getpid()}"
    steps = (
        f"netns add {name}", f"link add {cable} type veth peer name {cable}f netns {name}",
        f"addr add 198.18.0.1/30 dev {cable}", f"link set {cable} up",  # addresses: RFC 2544, for such tests
        f"-n {name} addr add {FAR_MACHINE}/30 dev {cable}f", f"-n {name} link set {cable}f up",
        f"-n {name} link set lo up", f"-n {name} route add 224.0.0.0/4 dev {cable}f",
    )  # fmt: skip
    try:
        for step in steps:
            done = subprocess.run(["ip", *step.split()], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"cannot create a network namespace: {done.stderr}")
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)  # and its end of the veth pair


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
            (server,) = tray_process.until(lambda: home.status()["servers"], 40)
            assert server["url"].startswith(f"http://{FAR_MACHINE}:")
            assert (server["source"], server["opencode"], server["directory"]) == (
                "http", NEWEST, str(opencode.project),
            )  # fmt: skip
            assert "[[servers]]" in server["read_only_reason"]  # an unauthenticated server gets no answers
            far.terminate()
            tray_process.until(lambda: not any(server["connected"] for server in home.status()["servers"]), 20)
        finally:
            far.kill()
            far.wait()
            log.close()
            home.stop()
