"""A permission of the real OpenCode is answered on the page in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_server import ModelServer
from opencode import NEWEST, OpenCode
from tray_process import Home
from waiting import run, until_async

pytestmark = [pytest.mark.browser, pytest.mark.opencode]

WRITE = {"calls": [[["bash", {"command": "echo allowed > answer.txt", "description": "write a file"}]]]}


def test_opencode_runs_the_command_that_was_allowed_on_the_page(tmp_path: Path, chromium: Callable[[], Any]) -> None:
    tray = Home(tmp_path / "tray")
    tray.path.mkdir()

    async def answer(opencode: OpenCode) -> None:
        address = (await asyncio.to_thread(tray.run, "open", "--print", "--port", str(tray.port))).stdout.strip()
        async with chromium() as browser:
            page = await browser.new_page()
            await page.goto(address)
            session = await asyncio.to_thread(opencode.session)
            await asyncio.to_thread(opencode.prompt, session, WRITE)
            card = page.locator(".card", has_text="echo allowed > answer.txt")
            await card.wait_for()
            written = opencode.project / "answer.txt"
            assert not written.exists()
            await page.wait_for_timeout(800)  # clicks on a card that has just appeared do not count
            await card.get_by_role("button", name="Allow once").click()
            await until_async(written.exists, "the file that the command writes")
            await card.wait_for(state="detached")
            await page.locator(".row").first.click()
            await page.wait_for_selector(".messages .tool:has-text('echo allowed')")
            await page.get_by_role("tab", name="Timeline").click()
            await page.wait_for_selector(".timeline .tool:has-text('bash')")
            await page.wait_for_selector(".timeline .request:has-text('allowed once in the page after')")
            await page.wait_for_selector(".timeline .asked:has-text('echo allowed')")
            await page.wait_for_selector(".timeline .reply:has-text('word0 word1')")
            await page.get_by_role("tab", name="Messages").click()
            await asyncio.to_thread(opencode.prompt, session, {"words": 400, "pause": 0.05})
            await page.wait_for_selector(".draft:has-text('word3')")
            before = await page.locator(".draft").inner_text()
            await page.wait_for_selector(f".draft:has-text('word{len(before.split()) + 5}')")

            async def answer_late(route: Any) -> None:
                await asyncio.sleep(0.4)
                await route.continue_()

            await page.route("**/draft", answer_late)  # so that a read is under way when the turn ends
            await page.get_by_role("button", name="Stop").click()
            await page.get_by_role("dialog").get_by_role("button", name="Stop").click()
            await page.wait_for_selector(".draft", state="detached")
            reads: list[str] = []
            page.on("request", lambda request: "/draft" in request.url and reads.append(request.url))
            await page.wait_for_timeout(1_500)  # six pauses between two reads
            assert reads == []

    try:
        with ModelServer() as model:
            tray.tray("--no-notify")
            environment = {"OPENCODE_TRAY_TOKEN_FILE": str(tray.path / "data/opencode-tray/token")}
            opencode = OpenCode(NEWEST, tmp_path / "home", model.port, environment)
            try:
                opencode.serve()
                run(answer(opencode), 110)
            finally:
                opencode.kill()
    finally:
        tray.stop()
