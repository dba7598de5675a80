"""The terminal WezTerm: activate the pane, and have the desktop raise the window."""

from __future__ import annotations

import json

from tray.actions.attach.terminal import Focused, FocusState
from tray.actions.attach.window import Window
from tray.system.subprocesses import run
from tray.system.terminal_processes import TerminalProcess


class WezTerm:
    """A TerminalFocuser and FocusReporter."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def detect(self, process: TerminalProcess) -> bool:
        """Return whether the environment names a WezTerm pane and socket."""
        return process.variable("WEZTERM_PANE").isdigit() and bool(process.variable("WEZTERM_UNIX_SOCKET"))

    async def bring_to_front(self, process: TerminalProcess) -> Focused | None:
        """Activate the pane and raise the window: WezTerm does not raise it reliably (wezterm issue 5536)."""
        command = ["wezterm", "cli", "activate-pane", "--pane-id", process.variable("WEZTERM_PANE")]
        if not (await run(command, environment=_socket(process))).ok:
            return None
        await self._window.bring_to_front(process)
        return Focused("Focused the WezTerm pane")

    async def focus_state(self, process: TerminalProcess) -> FocusState | None:
        """Return the focus of the window if the pane is the active one of a client."""
        listed = await run(["wezterm", "cli", "list-clients", "--format", "json"], environment=_socket(process))
        try:
            active = [client["focused_pane_id"] for client in json.loads(listed.out)]
        except (ValueError, KeyError, TypeError):
            return None
        if int(process.variable("WEZTERM_PANE")) not in active:
            return FocusState(has_focus=False)
        return await self._window.focus_state(process)


def _socket(process: TerminalProcess) -> dict[str, str]:
    return {"WEZTERM_UNIX_SOCKET": process.variable("WEZTERM_UNIX_SOCKET")}
