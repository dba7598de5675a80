"""The whole program with its tray icon on a desktop."""

from __future__ import annotations

from pathlib import Path

from desk import Colour, Desk

from fakes import PluginThread
from tray_process import Home


class TrayWithIcon:
    """A running tray with a private home folder and port, and its user's actions."""

    def __init__(self, desk: Desk, folder: Path, *program: str) -> None:
        """`program` is the command `opencode-tray`, if it is not the tested package's."""
        self.desk = desk
        self.home = Home(folder, program) if program else Home(folder)
        self.home.environment = {**desk.environment, **self.home.environment}
        self.process = self.home.tray(headless=False)

    def restart(self) -> None:
        """Restart the tray, for example with other settings."""
        self.process.terminate()
        self.process.wait(5)
        self.process = self.home.tray(headless=False)

    def plugin(self) -> PluginThread:
        """Return a plugin that has not connected yet."""
        return PluginThread(self.home.port, self.home.token, directory="/home/dev/project", serverName="project")

    def icon(self, colour: Colour) -> tuple[int, int]:
        """Move the pointer away, wait for an icon of this colour, and return its position."""
        self.desk.point(10, 700)
        return self.desk.wait_for_icon(colour)
