"""macOS: bringing the application that a process belongs to to the front."""

from __future__ import annotations

from collections.abc import Sequence

from tray.system.run import run

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
