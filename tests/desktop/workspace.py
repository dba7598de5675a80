"""A desktop with a window manager, terminals, a headless tray and the real OpenCode."""

from __future__ import annotations

import os
from pathlib import Path

from desk import Desk

from model_server import ModelServer
from opencode import NEWEST, OpenCode
from tray_process import Home
from waiting import until


class Workspace:
    """A desktop with a window manager, a tray without icon, and an OpenCode; neither has been started."""

    def __init__(self, desk: Desk, folder: Path, model: ModelServer) -> None:
        self.desk = desk
        self.model = model
        self.home = Home(folder / "tray")
        self.home.path.mkdir()
        self.home.environment = {**desk.environment, **self.home.environment, "TERMINAL": "xterm"}
        environment = {
            "DISPLAY": desk.display,
            "OPENCODE_MONITOR_PORT": str(self.home.port),
            "OPENCODE_TRAY_TOKEN_FILE": str(self.home.path / "data/opencode-tray/token"),
        }
        self.opencode = OpenCode(NEWEST, folder / "opencode", model.port, environment)
        programs = f"{self.opencode.binary.parent}:{os.environ['PATH']}"
        # A terminal that the tray opens finds the session in the storage of the OpenCode under test.
        self.home.environment |= {
            "PATH": programs,
            **{name: value for name, value in self.opencode.environment.items() if name.startswith("OPENCODE_DISABLE")},
        }

    def start_tray(self, settings: str = "", *, notify: bool = False) -> None:
        """Write the settings file and start the tray."""
        path = self.home.settings
        path.parent.mkdir(parents=True)
        path.write_text(settings, encoding="utf-8")
        self.home.tray(*([] if notify else ["--no-notify"]))

    def run(self, *words: str) -> str:
        """Run a command, which must succeed, and return its output."""
        done = self.home.run(*words, "--port", str(self.home.port))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def sessions(self) -> list[str]:
        """Return the IDs of the sessions in the status report."""
        return [session["id"] for session in self.home.status()["sessions"]]

    def terminal(self, name: str, *command: str) -> None:
        """Start an xterm with this name and wait until its window is active."""
        self.desk.spawn(name, ["xterm", "-T", name, "-xrm", "*allowTitleOps: false", "-e", *command])
        until(lambda: self.front() == name, f"the window {name}")

    def look_at(self, name: str) -> None:
        """Activate the window with this name."""
        self.desk.run("xdotool", "search", "--name", f"^{name}$", "windowactivate", "--sync")

    def front(self) -> str:
        """Return the name of the active window."""
        return self.desk.run("xdotool", "getactivewindow", "getwindowname").strip()
