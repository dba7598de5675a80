"""A permission of the real Claude Code is answered on the page in a real browser."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from claude_code import DIALOG, ClaudeCode
from model_server import ModelServer
from tray_process import Home
from waiting import run, until_async

pytestmark = [pytest.mark.browser, pytest.mark.claude_code]

TOUCH = {"calls": [[["Bash", {"command": "touch answer.txt", "description": "Create a file"}]]]}


def test_claude_code_runs_the_command_that_was_allowed_on_the_page(chromium: Callable[[], Any]) -> None:
    async def answer(claude: ClaudeCode, address: str) -> None:
        async with chromium() as browser:
            page = await browser.new_page()
            await page.goto(address)
            await asyncio.to_thread(claude.prompt, TOUCH)
            card = page.locator(".card", has_text="touch answer.txt")
            allow = card.get_by_role("button", name="Allow once")
            await allow.wait_for()  # it is read-only until its hook has reported it
            written = claude.project / "answer.txt"
            assert not written.exists()
            while not written.exists():  # a click on a card that has just appeared or changed does not count
                await page.wait_for_timeout(1200)
                if await allow.is_visible():
                    await allow.click()
            await until_async(lambda: DIALOG not in claude.terminal.screen(), "the end of its own dialog")
            await card.wait_for(state="detached")
            await page.locator(".row").first.click()
            await page.wait_for_selector(".messages .own:has-text('work ##')")
            await page.wait_for_selector(".messages .tool.completed:has-text('touch answer.txt')")
            await page.get_by_role("tab", name="Timeline").click()
            await page.wait_for_selector(".timeline .request:has-text('allowed once in the page after')")
            await page.wait_for_selector(".timeline .asked:has-text('work ##')")

    with (
        tempfile.TemporaryDirectory(prefix="tray-", ignore_cleanup_errors=True) as name,  # short: it contains a socket
        ModelServer() as model,
        ClaudeCode(Path(name) / "claude", model.port) as claude,
    ):
        tray = Home(Path(name) / "tray")
        tray.path.mkdir()
        tray.environment |= {
            "CLAUDE_CONFIG_DIR": str(claude.configuration),
            "OPENCODE_TRAY_DISCOVERY_AGENTS": "1",
        }
        try:
            tray.tray("--no-notify")
            assert tray.run("install-hooks", "claude").returncode == 0
            claude.tui()
            address = tray.run("open", "--print", "--port", str(tray.port)).stdout.strip()
            run(answer(claude, address), 90)
        finally:
            tray.stop()
