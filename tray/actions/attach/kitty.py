"""The terminal kitty. Its settings must allow remote control (`allow_remote_control`, `listen_on`)."""

from __future__ import annotations

import json

from tray.actions.attach.terminal import Focused, FocusState
from tray.system.subprocesses import run
from tray.system.terminal_processes import TerminalProcess


class Kitty:
    """A TerminalFocuser and FocusReporter."""

    def detect(self, process: TerminalProcess) -> bool:
        """Return whether the environment names a kitty window and a local socket."""
        return process.variable("KITTY_WINDOW_ID").isdigit() and process.variable("KITTY_LISTEN_ON").startswith("unix:")

    async def bring_to_front(self, process: TerminalProcess) -> Focused | None:
        """Focus the pane; kitty raises its window as well."""
        match = f"id:{process.variable('KITTY_WINDOW_ID')}"
        done = await run(["kitty", "@", "--to", process.variable("KITTY_LISTEN_ON"), "focus-window", "--match", match])
        return Focused("Focused the kitty window") if done.ok else None

    async def focus_state(self, process: TerminalProcess) -> FocusState | None:
        """Return the focus of the pane. kitty calls a pane "window", and a window "OS window"."""
        listed = await run(["kitty", "@", "--to", process.variable("KITTY_LISTEN_ON"), "ls"])
        try:
            panes = [
                (pane["title"], all(part["is_focused"] for part in (window, tab, pane)))
                for window in json.loads(listed.out)
                for tab in window["tabs"]
                for pane in tab["windows"]
                if pane["id"] == int(process.variable("KITTY_WINDOW_ID"))
            ]
        except (ValueError, KeyError, TypeError):
            return None
        return FocusState(panes[0][1], str(panes[0][0])) if panes else None
