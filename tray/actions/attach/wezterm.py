"""The terminal WezTerm: it shows the pane, and the desktop raises its window."""

from __future__ import annotations

from tray.actions.attach.rung import Raised
from tray.actions.attach.window import Window
from tray.system.processes import Seat
from tray.system.run import run


class WezTerm:
    """A Rung."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def detect(self, seat: Seat) -> bool:
        """Whether WezTerm told the program of its pane and of its socket."""
        return seat.variable("WEZTERM_PANE").isdigit() and bool(seat.variable("WEZTERM_UNIX_SOCKET"))

    async def go(self, seat: Seat) -> Raised | None:
        """Show the pane's tab; WezTerm itself does not reliably raise the window (wezterm issue 5536)."""
        socket = {"WEZTERM_UNIX_SOCKET": seat.variable("WEZTERM_UNIX_SOCKET")}
        command = ["wezterm", "cli", "activate-pane", "--pane-id", seat.variable("WEZTERM_PANE")]
        if not (await run(command, environment=socket)).ok:
            return None
        await self._window.go(seat)
        return Raised("Focused its WezTerm pane")
