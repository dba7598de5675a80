"""Open a file in the program that the person's desktop uses for it."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path


async def open_file(path: Path) -> str:
    """Open it, and say in one line what was done; where nothing can open it, say where it is."""
    if sys.platform == "win32":
        os.startfile(path)  # noqa: S606  # a path of our own
        return f"Opened {path}"
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    try:
        process = await asyncio.create_subprocess_exec(
            opener, str(path), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return f"Nothing here opens files by itself; the file is {path}"
    return f"Opened {path}" if await process.wait() == 0 else f"{opener} could not open it; the file is {path}"
