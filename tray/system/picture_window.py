"""Show a picture in a small window: that of a dialog program, or the desktop's viewer of pictures."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tray.system.display import has_display
from tray.system.paths import TITLE
from tray.system.subprocesses import start

# Dialog programs are first: they show the picture as it is. A viewer may take seconds to start.
VIEWERS: Mapping[str, Sequence[Sequence[str]]] = {
    "linux": (
        ("kdialog", "--title", TITLE, "--imgbox"),
        ("yad", f"--title={TITLE}", "--button=Close", "--image"),
        ("xdg-open",),
    ),
    "darwin": (("open",),),
}


async def show_picture(path: Path) -> bool:
    """Show the picture, and return whether a program was found for it."""
    if sys.platform == "win32":
        return await asyncio.to_thread(_open_on_windows, path)
    if not has_display():
        return False
    for viewer in VIEWERS.get(sys.platform, VIEWERS["linux"]):
        if await start([*viewer, str(path)]):
            return True
    return False


def _open_on_windows(path: Path) -> bool:
    try:
        os.startfile(path)  # type: ignore[attr-defined,unused-ignore]  # noqa: S606  # a path of our own
    except OSError:
        return False
    return True
