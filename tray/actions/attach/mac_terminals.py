"""The macOS terminals iTerm2 and Terminal: AppleScript selects a session by its ID, or a tab by its tty.

The scripts are constants, which receive the ID or tty as an argument.
"""

from __future__ import annotations

import re
import sys

from tray.actions.attach.terminal import Focused
from tray.system.subprocesses import run
from tray.system.terminal_processes import TerminalProcess

TIMEOUT = 5.0  # s; at the first use macOS asks the user for permission

_ITERM2 = """on run argv
if application id "com.googlecode.iterm2" is not running then error "not running" number 1
tell application id "com.googlecode.iterm2"
repeat with w in windows
repeat with t in tabs of w
repeat with s in sessions of t
if unique ID of s is (item 1 of argv) then
select w
select t
select s
activate
return
end if
end repeat
end repeat
end repeat
end tell
error "not found" number 2
end run"""

_TERMINAL = """on run argv
if application id "com.apple.Terminal" is not running then error "not running" number 1
tell application id "com.apple.Terminal"
repeat with w in windows
repeat with t in tabs of w
if tty of t is (item 1 of argv) then
set selected of t to true
set index of w to 1
activate
return
end if
end repeat
end repeat
end tell
error "not found" number 2
end run"""


class ITerm2:
    """A TerminalFocuser."""

    def detect(self, process: TerminalProcess) -> bool:
        """Return whether the environment names an iTerm2 session: `w0t1p0:UUID`."""
        return sys.platform == "darwin" and bool(_session_id(process))

    async def bring_to_front(self, process: TerminalProcess) -> Focused | None:
        """Select the session, its tab and its window."""
        done = await run(["osascript", "-e", _ITERM2, _session_id(process)], timeout=TIMEOUT)
        return Focused("Focused the iTerm2 session") if done.ok else None


class Terminal:
    """A TerminalFocuser."""

    def detect(self, process: TerminalProcess) -> bool:
        """Return whether the process runs in Apple's Terminal, with a tty."""
        return sys.platform == "darwin" and bool(process.tty) and process.variable("TERM_PROGRAM") == "Apple_Terminal"

    async def bring_to_front(self, process: TerminalProcess) -> Focused | None:
        """Select the tab with this tty and raise its window."""
        done = await run(["osascript", "-e", _TERMINAL, process.tty], timeout=TIMEOUT)
        return Focused("Focused the Terminal tab") if done.ok else None


def _session_id(process: TerminalProcess) -> str:
    found = re.fullmatch(r"(?:w\d+t\d+p\d+:)?([0-9A-Fa-f-]{36})", process.variable("ITERM_SESSION_ID"))
    return found[1] if found else ""
