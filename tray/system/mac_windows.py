"""macOS: bringing the application that a process belongs to to the front, and which application is there."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tray.system.open_window import OpenWindow
from tray.system.subprocesses import run

_SCRIPT = """on run argv
tell application "System Events"
repeat with p in argv
set found to (processes whose unix id is (p as integer) and background only is false)
if (count of found) > 0 then
set frontmost of item 1 of found to true
return
end if
end repeat
end tell
error "not found" number 2
end run"""


async def raise_application(pids: Sequence[int]) -> bool:
    """Bring the first of these processes that is an application to the front."""
    return (await run(["osascript", "-e", _SCRIPT, *map(str, pids)], timeout=5)).ok


async def open_windows() -> list[OpenWindow] | None:
    """The application in front, as a window of its process; None if it is not told.

    lsappinfo needs no consent of the person's, as AppleScript does, and no main run loop, as NSWorkspace does.
    """
    front = await run(["lsappinfo", "front"])
    told = await run(["lsappinfo", "info", "-only", "pid", front.out.strip()]) if front.ok else front
    pid = re.search(r'"pid"\s*=\s*(\d+)', told.out)
    return [OpenWindow(int(pid[1]), focused=True)] if pid else None
