"""What a new user still has to set up."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from tray.actions.plugin_file import installed_version
from tray.core.model import Server, Source
from tray.core.settings import Settings
from tray.opencode.executable import opencode_program
from tray.surfaces.menu.builder import Setup


class SetupCheck:
    """Whether OpenCode and the plugin are installed. Not checked again while a plugin is connected."""

    def __init__(self, plugin: Path, settings: Callable[[], Settings], servers: Callable[[], Iterable[Server]]) -> None:
        self.result = Setup()
        self._plugin = plugin
        self._settings = settings
        self._servers = servers

    async def refresh(self) -> None:
        """Check again."""
        if not any(server.connected and server.source is Source.PLUGIN for server in self._servers()):
            self.result = await asyncio.to_thread(self._check)

    def _check(self) -> Setup:
        return Setup(
            plugin_installed=installed_version(self._plugin) is not None,
            opencode_found=shutil.which(opencode_program(self._settings())) is not None,
        )
