"""A browser with the page that is stopped, or killed: the page shows what is true, and the tray keeps nothing of it.

`FAULT_STOP_SECONDS` is how long the browser is stopped.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from fakes import connection
from page_client import new_address
from running_app import ASK, SES, SNAPSHOT, RunningApp
from waiting import run, until_async

STOP = float(os.environ.get("FAULT_STOP_SECONDS", "4"))
RECOVERY = 10.0  # s; it takes at most 5 on a machine that has nothing else to do

pytestmark = [pytest.mark.browser, pytest.mark.fault, pytest.mark.timeout(120 + STOP)]


def browser_processes() -> list[psutil.Process]:
    return [process for process in psutil.Process().children(recursive=True) if "chrom" in process.name()]


def connected_to(port: int) -> int:
    """Return how many connections this process has accepted on a port."""
    sockets = psutil.Process().net_connections("tcp")
    return sum(each.status == psutil.CONN_ESTABLISHED and each.laddr.port == port for each in sockets)


def test_a_browser_that_was_stopped_shows_what_is_true_and_one_that_was_killed_leaves_nothing(
    tmp_path: Path, chromium: Callable[[], Any]
) -> None:
    async def test() -> None:
        async with (
            RunningApp(tmp_path) as running,
            connection(f"http://127.0.0.1:{running.app.port}/") as link,
            chromium() as browser,
        ):
            await link.authenticate()
            link.answer_pings()
            await link.send(SNAPSHOT)
            page = await browser.new_page()
            address = await new_address(running)
            await page.goto(address)
            await page.wait_for_selector("[data-item]")
            processes = browser_processes()
            for process in processes:
                process.suspend()
            try:
                for number in range(300):
                    await link.event("permission.asked", **{**ASK, "id": f"per_{number}"})
                    await link.event("permission.replied", sessionID=SES, requestID=f"per_{number}", reply="once")
                    await asyncio.sleep(STOP / 300)
                await link.event("permission.asked", **{**ASK, "id": "per_last"})
                await until_async(lambda: running.waiting == 1, "the last request")
            finally:
                for process in processes:
                    process.resume()
            await page.wait_for_selector("[data-request=per_last]", timeout=RECOVERY * 1000)
            assert await page.locator("[data-request]").count() == 1
            page_port = int(address.split(":")[2].split("/")[0])
            assert connected_to(page_port) > 0
            for process in browser_processes():
                process.kill()
            await until_async(lambda: connected_to(page_port) == 0, "the end of its connections", RECOVERY)

    run(test(), 60 + STOP)
