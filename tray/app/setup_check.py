"""What a new user still has to set up."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec.structs import replace

from tray.actions.agent_hooks import AgentHooks
from tray.actions.install import installed_version
from tray.core.servers import Server, Source
from tray.core.settings import Settings
from tray.opencode.configuration import npm_configuration
from tray.opencode.executable import opencode_program
from tray.surfaces.menu.builder import Setup
from tray.system.paths import Paths


class SetupCheck:
    """Whether OpenCode, the plugin and the hooks of other agents are installed."""

    def __init__(self, paths: Paths, settings: Callable[[], Settings], servers: Callable[[], Iterable[Server]]) -> None:
        self.result = Setup()
        self._plugin = paths.plugin
        self._hooks = AgentHooks(os.environ, Path.home(), paths.hook_socket)
        self._settings = settings
        self._servers = servers

    async def refresh(self) -> None:
        """Check again. A plugin that is connected is installed, so that its file is not read."""
        is_connected = any(server.connected and server.source is Source.PLUGIN for server in self._servers())
        self.result = await asyncio.to_thread(self._check, is_connected=is_connected)

    def _check(self, *, is_connected: bool) -> Setup:
        agents = self._hooks.setups()
        if is_connected:
            return replace(self.result, agents=agents)
        has_file = installed_version(self._plugin) is not None
        return Setup(
            plugin_installed=has_file or npm_configuration(self._plugin.parent.parent) is not None,
            opencode_found=shutil.which(opencode_program(self._settings())) is not None,
            agents=agents,
        )
