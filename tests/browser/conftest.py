"""Fixtures: a real Chromium, and a running app whose page it opens."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent_program import installation_folder, required

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]  # Debian's Chromium

AXE_VERSION = "4.14.1"
LIGHTHOUSE_VERSION = "12.2.3"
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]


@pytest.fixture
def chromium() -> Callable[[], Any]:
    """Return a context manager that runs the browser, with further arguments, and yields it."""
    playwright = pytest.importorskip("playwright.async_api")
    program = required(CHROMIUM, "Chromium is not installed; run packaging/check.py as root")

    @asynccontextmanager
    async def start(*arguments: str) -> AsyncIterator[Any]:
        async with playwright.async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=str(program), args=[*ARGUMENTS, *arguments])
            try:
                yield browser
            finally:
                await browser.close()

    return start


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the script of axe-core, which checks accessibility."""
    folder = installation_folder("AXE_CORE_TEST_DIR", "axe-core", AXE_VERSION)
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    return required(script, f"axe-core is not in {folder}; run packaging/check.py").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def lighthouse() -> str:
    """Return the script of Lighthouse, which scores pages."""
    folder = installation_folder("LIGHTHOUSE_TEST_DIR", "lighthouse", LIGHTHOUSE_VERSION)
    script = folder / "node_modules" / "lighthouse" / "cli" / "index.js"
    return str(required(script, f"Lighthouse is not in {folder}; run packaging/check.py"))
