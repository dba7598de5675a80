"""The terminal WezTerm: it shows the pane, and the desktop raises its window."""

from __future__ import annotations

import json

from tray.actions.attach.terminal import Focus, Raised
from tray.actions.attach.window import Window
from tray.system.subprocesses import run
from tray.system.terminal_processes import TerminalProcess


class WezTerm:
    """A Rung."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def detect(self, seat: TerminalProcess) -> bool:
        """Whether WezTerm told the program of its pane and of its socket."""
        return seat.variable("WEZTERM_PANE").isdigit() and bool(seat.variable("WEZTERM_UNIX_SOCKET"))

    async def go(self, seat: TerminalProcess) -> Raised | None:
        """Show the pane's tab; WezTerm itself does not reliably raise the window (wezterm issue 5536)."""
        command = ["wezterm", "cli", "activate-pane", "--pane-id", seat.variable("WEZTERM_PANE")]
        if not (await run(command, environment=_socket(seat))).ok:
            return None
        await self._window.go(seat)
        return Raised("Focused its WezTerm pane")

    async def focus(self, seat: TerminalProcess) -> Focus | None:
        """Whether the pane is the one that a client has chosen, and the window has the keyboard."""
        told = await run(["wezterm", "cli", "list-clients", "--format", "json"], environment=_socket(seat))
        try:
            chosen = [client["focused_pane_id"] for client in json.loads(told.out)]
        except (ValueError, KeyError, TypeError):
            return None
        if int(seat.variable("WEZTERM_PANE")) not in chosen:
            return Focus(has_it=False)
        return await self._window.focus(seat)


def _socket(seat: TerminalProcess) -> dict[str, str]:
    return {"WEZTERM_UNIX_SOCKET": seat.variable("WEZTERM_UNIX_SOCKET")}
