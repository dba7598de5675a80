"""Score the speed of the page with Lighthouse, beside an empty page as the floor.

Run: `python tests/benchmarks/page.py`, with the project and playwright installed, after `packaging/check.py`, which
installs Chromium and Lighthouse; about two minutes. The page shows the sample sessions. Times are simulated by
Lighthouse for a desktop and for a slow phone, but depend on the speed of this machine.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent.parent)]

from aiohttp import web  # noqa: E402
from playwright.async_api import async_playwright  # noqa: E402

from lighthouse import lighthouse_report  # noqa: E402
from page_client import new_address  # noqa: E402
from running_app import RunningApp  # noqa: E402
from sample_sessions import sample_sessions  # noqa: E402
from tray_process import free_port  # noqa: E402
from web_server import serving  # noqa: E402

LIGHTHOUSE = Path(os.environ.get("LIGHTHOUSE_TEST_DIR", "")) / "node_modules/lighthouse/cli/index.js"
CHROMIUM = "/usr/bin/chromium"
EMPTY = "<!doctype html><html lang=en><title>Empty</title><p>Nothing</p>"
TIMES = ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time")


async def measure(name: str, address: str, port: int, preset: str) -> None:
    """Print the score of a page and its times."""
    report: dict[str, Any] = await lighthouse_report(str(LIGHTHOUSE), address, port, preset, ["performance"])
    score = report["categories"]["performance"]["score"]
    times = "".join(f"{report['audits'][time]['numericValue']:10.0f}" for time in TIMES)
    print(f"{preset:10}{name:12}{score:8.2f}{times}")


async def empty_page(_: web.Request) -> web.Response:
    return web.Response(text=EMPTY, content_type="text/html")


async def main() -> None:
    port = free_port()
    application = web.Application()
    application.router.add_get("/", empty_page)
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--no-sandbox", f"--remote-debugging-port={port}"]
        async with (
            RunningApp(Path(folder)) as running,
            sample_sessions(running),
            serving(application) as empty,
            async_playwright() as driver,
        ):
            browser = await driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
            print(f"{'':22}{'score':>8}" + "".join(f"{name:>10}" for name in ("FCP ms", "LCP ms", "TBT ms")))
            for preset in ("desktop", "mobile"):
                await measure("empty page", f"http://127.0.0.1:{empty}/", port, preset)
                await measure("our page", await new_address(running), port, preset)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
