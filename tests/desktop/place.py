"""Where a person works with OpenCode: a desk with a window manager and terminals, beside a tray."""

from __future__ import annotations

import os
from pathlib import Path

from desk import Desk, until

from model_server import ModelServer
from opencode import NEWEST, OpenCode
from tray_process import Home


class Place:
    """A desk with a window manager, a tray without an icon, and an OpenCode that is not started yet."""

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
        # What is opened finds the session where the OpenCode under test keeps it.
        self.home.environment |= {
            "PATH": programs,
            **{name: value for name, value in self.opencode.environment.items() if name.startswith("OPENCODE_DISABLE")},
        }

    def start_tray(self, settings: str = "", *, notify: bool = False) -> None:
        path = self.home.path / "config/opencode-tray/settings.toml"
        path.parent.mkdir(parents=True)
        path.write_text(settings, encoding="utf-8")
        self.home.tray(*([] if notify else ["--no-notify"]))

    def run(self, *words: str) -> str:
        done = self.home.run(*words, "--port", str(self.home.port))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def sessions(self) -> list[str]:
        return [told["id"] for told in self.home.status()["sessions"]]

    def terminal(self, name: str, *command: str) -> None:
        """An xterm of this name, in front."""
        self.desk.spawn(name, ["xterm", "-T", name, "-xrm", "*allowTitleOps: false", "-e", *command])
        until(lambda: self.front() == name, f"the window {name}")

    def look_at(self, name: str) -> None:
        """Bring the window of this name to the front."""
        self.desk.run("xdotool", "search", "--name", f"^{name}$", "windowactivate", "--sync")

    def front(self) -> str:
        """The name of the window that has the keyboard."""
        return self.desk.run("xdotool", "getactivewindow", "getwindowname").strip()
