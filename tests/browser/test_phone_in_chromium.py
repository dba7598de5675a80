"""A phone is paired on the local network: the number on both sides, the decision in the menu, and what it may do."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import segno
import trustme

from page_client import new_address
from running_app import RunningApp
from sample_sessions import sample_sessions
from tcp_relay import relaying
from tray.core.commands import CloseWays, DecidePairing, ListDevices, ListPairings, OpenTunnel, PairPhone
from tray.core.devices import Scope
from tray.surfaces.menu.items import walk
from tray.system.lan_address import lan_address
from tunnel_programs import HOST, TunnelPrograms
from waiting import run, until_async

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def labels(running: RunningApp) -> list[str]:
    return [item.label for item in walk(running.views[-1].menu)]


@pytest.fixture
def on_network(tmp_path: Path, chromium: Callable[[], Any]) -> Callable[[], Any]:
    """Return a context manager that runs an app whose page is on the local network, and yields it and a browser."""
    if not lan_address():
        pytest.skip("this machine is in no local network")

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[RunningApp, Any]]:
        (tmp_path / "settings.toml").write_text("[page]\nlan = true\n")
        async with RunningApp(tmp_path) as running:
            running.app.show_on(running.views.append)
            async with sample_sessions(running), chromium() as browser:
                yield running, browser

    return opened


def test_the_page_shows_the_code_for_a_phone(on_network: Callable[[], Any]) -> None:
    async def test() -> None:
        async with on_network() as (running, browser):
            desk = await (await browser.new_context(color_scheme="dark")).new_page()
            await desk.goto(await new_address(running))
            await desk.wait_for_selector(".card")
            await desk.evaluate("location.hash = '#/devices'")
            await desk.get_by_role("button", name="Pair a phone").click()
            address = await desk.locator(".records code", has_text="#c=").inner_text()
            assert modules_of(await desk.locator(".qr path").get_attribute("d")) == modules_of_code(address)
            phone = await (await browser.new_context(**PHONE)).new_page()
            await phone.goto(address)
            await phone.wait_for_selector(".number")

    run(test(), 60)


@asynccontextmanager
async def encrypted(port: int) -> AsyncIterator[int]:
    """Yield the port of the tunnel's end on the internet, which has a certificate and forwards to `port`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert(HOST).configure_cert(context)
    async with relaying(port, context) as relay_port:
        yield relay_port


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_through_a_tunnel_a_phone_pairs_and_desk_and_phone_show_that_the_page_is_exposed(
    on_network: Callable[[], Any],
    chromium: Callable[[], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    axe: str,
    scheme: str,
) -> None:
    programs = TunnelPrograms(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{programs.folder}:{os.environ['PATH']}")

    async def test() -> None:
        async with on_network() as (running, browser):
            desk = await (await browser.new_context(color_scheme=scheme)).new_page()
            await desk.goto(await new_address(running))
            await desk.wait_for_selector(".card")
            assert (await running.choose(OpenTunnel())).ok
            rules = "--host-resolver-rules=MAP {} 127.0.0.1:{}"
            async with encrypted(programs.port) as port, chromium(rules.format(HOST, port)) as far:
                context = await far.new_context(**PHONE, color_scheme=scheme, ignore_https_errors=True)
                phone = await context.new_page()
                await pair_phone(running, phone)
                for page in (desk, phone):
                    mark = page.locator(".summary", has_text="Exposed to the internet until ")
                    await mark.wait_for()
                    assert f"https://{HOST}; to stop it: " in await page.locator(".problem").inner_text()
                    await page.evaluate(axe)
                    result = await page.evaluate("() => axe.run({ resultTypes: ['violations'] })")
                    assert [(each["id"], each["nodes"][0]["html"]) for each in result["violations"]] == []
                await phone.evaluate("location.hash = '#/history'")  # the mark is on every page
                assert await phone.locator(".summary", has_text="Exposed").is_visible()
                assert (await running.choose(CloseWays())).ok
                await desk.locator(".summary", has_not_text="Exposed").wait_for()
                await phone.wait_for_selector(".lost")

    async def pair_phone(running: RunningApp, phone: Any) -> None:
        begun = await running.choose(PairPhone())
        address, _, code = begun.result["address"].partition("#")
        if scheme == "light":  # the short code is typed
            await phone.goto(address)
            await phone.get_by_label("type the code").fill(begun.message.split()[-1])
            await phone.keyboard.press("Enter")
        else:
            await phone.goto(f"{address}#{code}")
        number = await phone.locator(".number").inner_text()
        (pending,) = (await running.choose(ListPairings())).result
        assert pending["number"] == number
        await running.choose(DecidePairing(pending["id"], Scope.ANSWER))
        await phone.wait_for_selector(".card")

    run(test(), 90)


def modules_of(path: str) -> set[tuple[int, int]]:
    """Return the dark modules of an SVG path."""
    found = re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", path)
    assert "".join(f"M{x} {y}h{n}v1h-{n}z" for x, y, n in found) == path
    return {(int(x) + i, int(y)) for x, y, n in found for i in range(int(n))}


def modules_of_code(address: str) -> set[tuple[int, int]]:
    rows = segno.make(address, error="l").matrix_iter(border=4)
    return {(x, y) for y, row in enumerate(rows) for x, is_dark in enumerate(row) if is_dark}


def test_a_phone_is_paired_after_the_number_was_compared(on_network: Callable[[], Any]) -> None:
    async def test() -> None:
        async with on_network() as (running, browser):
            await pair(running, browser)

    async def pair(running: RunningApp, browser: Any) -> None:
        address = (await running.choose(PairPhone())).result["address"]
        assert address.startswith(f"http://{lan_address()}:")
        page = await (await browser.new_context(**PHONE)).new_page()
        await page.goto(address)
        number = await page.locator(".number").inner_text()
        question = f"Pair Chrome on Linux, which shows {number}?"
        await until_async(lambda: question in labels(running), f"{question} in the menu")
        assert any(number in text for text in running.notifications.said)
        items = [item for item in walk(running.views[-1].menu) if item.key.startswith("pairing:")]
        allow = next(item.command for item in items[0].children if "answer" in item.label)  # type: ignore[union-attr]
        assert isinstance(allow, DecidePairing)
        assert (await running.choose(allow)).message == "Paired Chrome on Linux: it may answer"
        await page.wait_for_selector(".card")
        assert await page.locator(".card .primary").count() > 0
        assert await page.get_by_role("button", name="Always allow").count() == 0
        await until_async(lambda: question not in labels(running), "the end of the question")
        other = await (await browser.new_context(**PHONE)).new_page()
        await other.goto(address)  # the code was photographed
        await other.wait_for_selector(".unpaired .warning")
        refused = (await running.choose(PairPhone())).result["address"]
        third = await (await browser.new_context(**PHONE)).new_page()
        await third.goto(refused)
        await third.wait_for_selector(".number")
        (pending,) = (await running.choose(ListPairings())).result
        assert (await running.choose(DecidePairing(pending["id"], None))).ok
        await third.wait_for_selector(".unpaired .warning:has-text('refused at the desk')")
        devices = (await running.choose(ListDevices())).result
        assert [device["scope"] for device in devices] == [Scope.ANSWER.value]

    run(test(), 60)
