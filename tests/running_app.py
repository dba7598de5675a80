"""The app with everything but the icon, and a plugin that says what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from fakes import TOKEN
from tray import app as app_module
from tray.app import App
from tray.core.alerts import Alert
from tray.core.commands import Command, CommandResult, Surface
from tray.core.settings import ON_MACHINE, PORT
from tray.storage.settings_file import load_settings
from tray.storage.token import Token
from tray.surfaces.menu.view import TrayView
from tray.system.paths import Paths
from tray_process import free_port

SES = "ses_1"
SNAPSHOT = {"type": "snapshot", "sessions": [{"id": SES, "title": "Work"}], "status": {}, "permissions": []}
ASK = {"id": "per_1", "sessionID": SES, "permission": "bash", "metadata": {"command": "ls"}}


class Told:
    """Stands where notifications would be shown."""

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


class Running:
    """An app at work."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = folder / "settings.toml"
        self.paths = Paths.inside(folder)
        self.told = Told()
        self.views: list[TrayView] = []
        monkeypatch.setattr(app_module, "Notifications", lambda *_: self.told)
        flags = {PORT.key: free_port(), ON_MACHINE.key: False}
        self.app = App(self.paths, load_settings(self.settings, {}, flags), flags, Token(TOKEN))

    @property
    def waiting(self) -> int:
        return int(self.app.status()["attention"]["waiting"])

    async def choose(self, choice: Command, surface: Surface = Surface.MENU) -> CommandResult:
        return await self.app.choose(choice, surface)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 30))
