"""A real agent in a private home: in a terminal of its own, or as a process that ends with its turn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from tmux_terminal import KILL, TmuxTerminal
from waiting import at_most_every, until

IN_CI = os.environ.get("CI") == "true"


def installation_folder(variable: str, *default: str) -> Path:
    """Return where packaging/check.py installed an agent: the value of the variable, else a folder of its cache."""
    return Path(os.environ.get(variable) or Path.home().joinpath(".cache", "opencode-tray-tests", *default))


def required(found: Path | None, reason: str) -> Path:
    """Return the executable that was found. Without one, skip the test, or fail it in CI."""
    if found is not None and found.exists():
        return found
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)


def make_repository(folder: Path) -> None:
    """Make a git repository with one commit."""
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    for words in (("init", "-q"), (*author, "commit", "-qm", "x", "--allow-empty")):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


class AgentProgram:
    """A program with its own home, project and environment."""

    project_name = "project"

    def __init__(self, binary: Path, home: Path, variables: dict[str, str]) -> None:
        self.binary = binary
        self.home = home
        self.project = home / self.project_name
        for folder in (self.project, home / "tmp"):
            folder.mkdir(parents=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            **variables,
        }
        self._terminal: TmuxTerminal | None = None
        self._processes: list[subprocess.Popen[bytes]] = []

    # ------------------------------------------------------------------ in a terminal

    @property
    def terminal(self) -> TmuxTerminal:
        assert self._terminal is not None
        return self._terminal

    def open_terminal(self, *arguments: str) -> None:
        """Start the terminal UI in a private tmux server."""
        command = [str(self.binary), *arguments]
        self._terminal = TmuxTerminal(self.home / "tmux.sock", self.project, self.environment, command)

    def kill_terminal(self, number: signal.Signals = KILL) -> None:
        """End the terminal UI, and its terminal."""
        if self._terminal is not None:
            self._terminal.kill(number)
            self._terminal = None

    # ------------------------------------------------------------------ as a process

    def start(self, *arguments: str, log: str = "run.log") -> subprocess.Popen[bytes]:
        """Start the program without a terminal. Its output goes to a file in its home."""
        with (self.home / log).open("wb") as output:
            process = subprocess.Popen(
                [str(self.binary), *arguments], cwd=self.project, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        self._processes.append(process)
        return process

    # ------------------------------------------------------------------ the end

    def kill(self, number: signal.Signals = KILL) -> None:
        """End every process that was started."""
        self.kill_terminal(number)
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, number)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
        self._processes.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class PromptedProgram(AgentProgram):
    """A program that is prompted in its terminal UI."""

    _prompts = 0

    def prompt(self, script: dict[str, Any] | None = None) -> None:
        """Submit a prompt. Its end differs from those before, so that the screen shows when it has been typed."""
        self._prompts += 1
        self.submit(f"work ##{json.dumps(script or {})} #{self._prompts}")

    def submit(self, text: str) -> None:
        """Type a prompt, or a command such as /model, and press Enter."""
        self.terminal.type(text)
        end = "".join(text.split())[-10:]
        until(lambda: end in "".join(self.terminal.screen().split()), "the typed text")
        self.terminal.press("Enter")

    def press_until_closed(self, key: str, dialog: str) -> None:
        """Press a key until the dialog is closed: a dialog may ignore keys just after it has opened."""
        self.press_until(key, lambda: dialog not in self.terminal.screen(), "the end of the dialog")

    def press_until(self, key: str, condition: Callable[[], bool], what: str, interval: float = 1.0) -> None:
        """Press a key, again after each `interval` (s), until the condition is true: the program may ignore keys."""
        press = at_most_every(interval, lambda: self.terminal.press(key))
        until(lambda: condition() or press(), what)
