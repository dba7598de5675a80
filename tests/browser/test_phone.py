"""A phone is paired on the local network: the number on both sides, the decision in the menu, and what it may do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from running_app import RunningApp
from sample_sessions import sample_sessions
from tray.core.commands import DecidePairing, ListDevices, ListPairings, PairPhone
from tray.core.devices import Scope
from tray.surfaces.menu.items import walk
from tray.system.lan_address import lan_address
from waiting import run, until_async

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def labels(running: RunningApp) -> list[str]:
    return [item.label for item in walk(running.views[-1].menu)]


def test_a_phone_is_paired_after_the_number_was_compared(tmp_path: Path, chromium: Callable[[], Any]) -> None:
    if not lan_address():
        pytest.skip("this machine is in no local network")

    async def test() -> None:
        (tmp_path / "settings.toml").write_text("[page]\nlan = true\n")
        running = RunningApp(tmp_path)
        await running.app.start()
        running.app.show_on(running.views.append)
        life = asyncio.create_task(running.app.run_until_stopped())
        try:
            async with sample_sessions(running), chromium() as browser:
                await pair(running, browser)
        finally:
            running.app.stop()
            await asyncio.wait_for(life, 5)

    async def pair(running: RunningApp, browser: Any) -> None:
        address = (await running.choose(PairPhone())).result
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
        refused = (await running.choose(PairPhone())).result
        third = await (await browser.new_context(**PHONE)).new_page()
        await third.goto(refused)
        await third.wait_for_selector(".number")
        (pending,) = (await running.choose(ListPairings())).result
        assert (await running.choose(DecidePairing(pending["id"], None))).ok
        await third.wait_for_selector(".unpaired .warning:has-text('refused at the desk')")
        devices = (await running.choose(ListDevices())).result
        assert [device["scope"] for device in devices] == [Scope.ANSWER.value]

    run(test(), 60)
