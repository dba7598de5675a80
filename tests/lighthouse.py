"""Google's Lighthouse, which scores a page in a running Chromium."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterable
from typing import Any


async def lighthouse_report(
    script: str, address: str, port: int, preset: str, categories: Iterable[str]
) -> dict[str, Any]:
    """Return the report on a page. `port` is the one on which Chromium can be debugged; `preset`: desktop or mobile."""
    options = [f"--port={port}", "--output=json", "--quiet", f"--only-categories={','.join(categories)}"]
    options += ["--preset=desktop"] if preset == "desktop" else []
    process = await asyncio.create_subprocess_exec("node", script, address, *options, stdout=subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    report: dict[str, Any] = json.loads(output)
    return report
