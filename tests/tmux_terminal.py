"""A terminal of its own for a program: a private tmux server with one session."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

SESSION = "tui"
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows ends a process with either, and lacks the name


class TmuxTerminal:
    """120 columns and 40 lines. `socket` is the path of the private tmux server."""

    def __init__(self, socket: Path, folder: Path, environment: dict[str, str], command: list[str]) -> None:
        self._socket = socket
        self._folder = folder
        self._environment = environment
        self.run("new-session", "-d", "-s", SESSION, "-x", "120", "-y", "40", *command)

    def run(self, *words: str) -> str:
        """Run a command of tmux and return its output."""
        command = ["tmux", "-f", "/dev/null", "-S", str(self._socket), *words]
        done = subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, text=True, timeout=20, check=False
        )
        return done.stdout

    def screen(self) -> str:
        """Return the content of the terminal."""
        return self.run("capture-pane", "-p", "-t", SESSION)

    def type(self, text: str) -> None:
        """Type a text, without Enter."""
        self.run("send-keys", "-t", SESSION, "-l", text)

    def press(self, key: str) -> None:
        """Press a key, such as Enter or Escape."""
        self.run("send-keys", "-t", SESSION, key)

    def kill(self, number: signal.Signals = KILL) -> None:
        """Send a signal to the programs in the terminal, and end the tmux server."""
        for pid in self.run("list-panes", "-a", "-F", "#{pane_pid}").split():
            with suppress(ProcessLookupError):  # a program that has ended just now
                os.kill(int(pid), number)
        self.run("kill-server")
