"""The app without its icon, with fake notifications."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Self

from fakes import TOKEN
from tray.app.application import App
from tray.app.clock import Clock
from tray.core.alerts import Alert
from tray.core.commands import Command, CommandResult, Surface
from tray.core.settings import ON_MACHINE, OTHER_AGENTS, PAGE_PORT, PORT
from tray.storage.settings_file import load_settings
from tray.storage.token import Token
from tray.surfaces.menu.view import TrayView
from tray.system.paths import Paths
from tray_process import free_port

SES = "ses_1"
SNAPSHOT = {"type": "snapshot", "sessions": [{"id": SES, "title": "Work"}], "status": {}, "permissions": []}
ASK = {"id": "per_1", "sessionID": SES, "permission": "bash", "metadata": {"command": "ls"}}


INTERVAL = 0.05  # s between two runs of the periodic jobs


class FakeNotifications:
    """Records the notifications that would be shown."""

    def __init__(self) -> None:
        self.shown: list[Alert] = []
        self.withdrawn: list[str] = []
        self.said: list[str] = []
        self._ending = asyncio.Event()

    def show(self, alert: Alert) -> None:
        self.shown.append(alert)

    def withdraw(self, session_id: str) -> None:
        self.withdrawn.append(session_id)

    def show_text(self, title: str, body: str) -> None:
        self.said.append(f"{title}\n{body}")

    def end(self) -> None:
        self._ending.set()

    async def run(self) -> None:
        await self._ending.wait()


class RunningApp:
    """An app whose files are in a folder of the test."""

    def __init__(self, folder: Path, clock: Clock = time, page_port: int = 0) -> None:
        self.settings = folder / "settings.toml"
        self.paths = Paths.inside(folder)
        self.notifications = FakeNotifications()
        self.views: list[TrayView] = []
        flags = {PORT.key: free_port(), PAGE_PORT.key: page_port, ON_MACHINE.key: False, OTHER_AGENTS.key: False}
        settings = load_settings(self.settings, {}, flags)
        self.app = App(
            self.paths, settings, flags, Token(TOKEN), notifications=self.notifications, interval=INTERVAL, clock=clock
        )

    async def __aenter__(self) -> Self:
        """Start the app."""
        await self.app.start()
        self._life = asyncio.create_task(self.app.run_until_stopped())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it."""
        self.app.stop()
        await asyncio.wait_for(self._life, 5)

    @property
    def waiting(self) -> int:
        return int(self.app.status()["attention"]["waiting"])

    async def choose(self, choice: Command, surface: Surface = Surface.MENU) -> CommandResult:
        return await self.app.execute(choice, surface)
