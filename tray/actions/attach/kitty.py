"""The terminal kitty, where its settings allow remote control; its own window knows the tab and the pane."""

from __future__ import annotations

import json

from tray.actions.attach.terminal import Focus, Raised
from tray.system.subprocesses import run
from tray.system.terminal_processes import TerminalProcess


class Kitty:
    """A Rung."""

    def detect(self, seat: TerminalProcess) -> bool:
        """Whether kitty told the program of its window and of a local socket."""
        return seat.variable("KITTY_WINDOW_ID").isdigit() and seat.variable("KITTY_LISTEN_ON").startswith("unix:")

    async def go(self, seat: TerminalProcess) -> Raised | None:
        """Focus the very pane; kitty raises the window itself."""
        match = f"id:{seat.variable('KITTY_WINDOW_ID')}"
        done = await run(["kitty", "@", "--to", seat.variable("KITTY_LISTEN_ON"), "focus-window", "--match", match])
        return Raised("Focused its kitty window") if done.ok else None

    async def focus(self, seat: TerminalProcess) -> Focus | None:
        """Whether the pane has the keyboard. kitty calls a pane a window, and a window an OS window."""
        told = await run(["kitty", "@", "--to", seat.variable("KITTY_LISTEN_ON"), "ls"])
        try:
            panes = [
                (pane["title"], all(part["is_focused"] for part in (window, tab, pane)))
                for window in json.loads(told.out)
                for tab in window["tabs"]
                for pane in tab["windows"]
                if pane["id"] == int(seat.variable("KITTY_WINDOW_ID"))
            ]
        except (ValueError, KeyError, TypeError):
            return None
        return Focus(panes[0][1], str(panes[0][0])) if panes else None
