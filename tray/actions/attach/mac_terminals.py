"""The macOS terminals that AppleScript can find a session in: iTerm2 by its own id, Terminal by the tty.

The scripts are constants; ids and ttys are arguments of theirs.
"""

from __future__ import annotations

import re
import sys

from tray.actions.attach.terminal import Raised
from tray.system.subprocesses import run
from tray.system.terminal_processes import TerminalProcess

TIMEOUT = 5.0  # s; the first time macOS asks the person whether we may

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
    """A Rung."""

    def detect(self, seat: TerminalProcess) -> bool:
        """Whether iTerm2 told the program of its session: `w0t1p0:UUID`."""
        return sys.platform == "darwin" and bool(_session(seat))

    async def go(self, seat: TerminalProcess) -> Raised | None:
        """Select the session, its tab and its window."""
        done = await run(["osascript", "-e", _ITERM2, _session(seat)], timeout=TIMEOUT)
        return Raised("Focused its iTerm2 session") if done.ok else None


class Terminal:
    """A Rung."""

    def detect(self, seat: TerminalProcess) -> bool:
        """Whether the program runs in Apple's Terminal, on a tty."""
        return sys.platform == "darwin" and bool(seat.tty) and seat.variable("TERM_PROGRAM") == "Apple_Terminal"

    async def go(self, seat: TerminalProcess) -> Raised | None:
        """Select the tab on this tty and raise its window."""
        done = await run(["osascript", "-e", _TERMINAL, seat.tty], timeout=TIMEOUT)
        return Raised("Focused its Terminal tab") if done.ok else None


def _session(seat: TerminalProcess) -> str:
    found = re.fullmatch(r"(?:w\d+t\d+p\d+:)?([0-9A-Fa-f-]{36})", seat.variable("ITERM_SESSION_ID"))
    return found[1] if found else ""
