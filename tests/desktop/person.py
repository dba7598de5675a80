"""Somebody at a desk with a tray."""

from __future__ import annotations

from pathlib import Path

from desk import Colour, Desk

from fakes import PluginThread
from tray_process import Home


class Person:
    """The tray is the whole program, with its icon; its home and its port are private."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk = desk
        self.home = Home(folder)
        self.home.environment = {**desk.environment, **self.home.environment}
        self.tray = self.home.tray(headless=False)

    def restart(self) -> None:
        """For settings that count from now on."""
        self.tray.terminate()
        self.tray.wait(5)
        self.tray = self.home.tray(headless=False)

    def plugin(self) -> PluginThread:
        return PluginThread(self.home.port, self.home.token, directory="/home/dev/project", serverName="project")

    def icon(self, wanted: Colour) -> tuple[int, int]:
        """Where the icon is, as soon as it has this colour; the pointer is somewhere else."""
        self.desk.run("xdotool", "mousemove", "10", "700")
        return self.desk.wait_for_icon(wanted)
