"""Servers that announce themselves on the network."""

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
from tray.system.mdns import SERVICE, Announced
from tray_process import Home

FAR = "192.0.2.7"  # of RFC 5737: nobody's
FAR_MACHINE = "198.18.0.2"


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


@pytest.fixture
def machine() -> Iterator[str]:
    """A network namespace with an address of its own: to the network it is another machine."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("another machine on the network is made with Linux's ip, as root")
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
                pytest.skip(f"this machine makes no network namespace: {done.stderr}")
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)  # and its end of the cable


@pytest.mark.opencode
def test_the_server_of_another_machine_appears_by_its_announcement_and_is_watched_alone(
    machine: str, tmp_path: Path
) -> None:
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
            assert "[[servers]]" in server["read_only_reason"]  # whoever announces something is not given any answers
            far.terminate()
            tray_process.until(lambda: not any(told["connected"] for told in home.status()["servers"]), 20)
        finally:
            far.kill()
            far.wait()
            log.close()
            home.stop()
