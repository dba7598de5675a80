"""macOS: activate the application of a process, and find the frontmost application."""

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
    """Activate the first of these processes that is an application. Returns whether one was activated."""
    return (await run(["osascript", "-e", _SCRIPT, *map(str, pids)], timeout=5)).ok


async def list_windows() -> list[OpenWindow] | None:
    """Return the frontmost application as a focused window; None if it is unknown.

    Unlike AppleScript, lsappinfo needs no permission from the user. Unlike NSWorkspace, it needs no main run loop.
    """
    front = await run(["lsappinfo", "front"])
    info = await run(["lsappinfo", "info", "-only", "pid", front.out.strip()]) if front.ok else front
    pid = re.search(r'"pid"\s*=\s*(\d+)', info.out)
    return [OpenWindow(int(pid[1]), focused=True)] if pid else None
