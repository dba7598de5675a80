"""`opencode-tray open` and `devices` in real processes, and a page that is turned off."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fakes import TOKEN
from page_client import PairedDevice
from running_app import RunningApp
from tray.core.commands import ListDevices, OpenDashboard, RevokeDevice
from tray.core.devices import Device, Scope
from tray.core.settings import PAGE
from tray.storage.devices import StoredDevices, read_devices, write_devices
from tray.surfaces.menu.items import walk
from tray_process import Home
from waiting import run, until


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    home.tray("--no-notify")
    yield home
    home.stop()


def pair(address: str, name: str) -> str:
    """Pair a device, log in, and return its login."""
    page, _, code = address.partition("#c=")
    device = PairedDevice.of(post(f"{page}api/pair", {"code": code, "name": name}))
    body = device.login_body()
    return device.login(urlsplit(page).netloc, body, post(f"{page}api/login", body))


def post(address: str, body: dict[str, str]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return dict(json.load(answer))


def status_of(page: str, login: str) -> int:
    request = urllib.request.Request(f"{page}api/me", headers={"Authorization": f"Bearer {login}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_devices_are_listed_and_revoked(home: Home) -> None:
    port = ("--port", str(home.port))
    for name in ("Firefox", "Chrome"):
        opened = home.run("open", "--print", *port)
        assert "works once" in opened.stderr
        pair(opened.stdout.strip(), name)
    listed = home.run("devices", *port).stdout.splitlines()
    assert ["Firefox" in line or "Chrome" in line for line in listed] == [True, True]
    devices = json.loads(home.run("devices", "--json", *port).stdout)["result"]
    assert home.run("devices", "revoke", devices[0]["id"], *port).stdout.startswith("Revoked Firefox")
    assert home.run("devices", "revoke", "--all", *port).stdout == "Revoked 1 device\n"
    assert home.run("devices", *port).stdout == "0 devices are paired\n"
    (log,) = home.path.rglob("tray.log")
    assert opened.stdout.strip().partition("#c=")[2] not in log.read_text(encoding="utf-8")


def test_a_rotated_token_revokes_all_devices(home: Home) -> None:
    port = ("--port", str(home.port))
    address = home.run("open", "--print", "--scope", "watch", *port).stdout.strip()
    page, login = address.partition("#")[0], pair(address, "Firefox")
    assert status_of(page, login) == 200
    assert "watch" in home.run("devices", *port).stdout
    assert home.run("token", "rotate", *port).returncode == 0
    until(lambda: status_of(page, login) == 401, "the device to be revoked")


@pytest.mark.parametrize("words", [("revoke",), ("revoke", "a", "--all"), ("list", "--all"), ("list", "a")])
def test_revoke_needs_one_device_or_all(home: Home, words: tuple[str, ...]) -> None:
    assert home.run("devices", *words, "--port", str(home.port)).returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows always has a browser")
def test_without_a_browser_the_command_says_how_to_get_the_address(home: Home) -> None:
    done = home.run("open", "--port", str(home.port))
    assert (done.returncode, done.stdout) == (1, "")
    assert "opencode-tray open --print" in done.stderr


def test_devices_are_listed_and_revoked_while_the_page_is_turned_off(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "settings.toml").write_text("[page]\nenabled = false\n", encoding="utf-8")
        running = RunningApp(tmp_path)
        device = Device("ab12", "Phone", Scope.ACT, 1, 1, "127.0.0.1")
        write_devices(running.paths.devices, TOKEN, StoredDevices((device,)))
        async with running:
            assert [each["id"] for each in (await running.choose(ListDevices())).result] == ["ab12"]
            assert (await running.choose(RevokeDevice("ab12"))).ok
        assert read_devices(running.paths.devices, TOKEN) == (StoredDevices(), "")

    run(test())


def test_a_page_that_is_turned_off_is_not_in_the_menu(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "settings.toml").write_text("[page]\nenabled = false\n", encoding="utf-8")
        async with RunningApp(tmp_path) as running:
            assert not running.app.state.settings()[PAGE]
            assert "dashboard" not in {item.key for item in walk(running.app.view().menu)}
            result = await running.choose(OpenDashboard())
            assert (result.ok, "page.enabled" in result.message) == (False, True)

    run(test())
