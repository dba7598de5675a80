"""What a person wants of the tray itself and of OpenCode's servers, rather than of a session."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from tray.actions.plugin_file import PluginFileError, install_plugin
from tray.core.click_guard import MOVED
from tray.core.commands import (
    AppCommand,
    CommandResult,
    CopyText,
    ExplainIgnoredClick,
    InstallPlugin,
    OpenSettings,
    RotateToken,
    RunDoctor,
    ServerCommand,
    ShowSummary,
)
from tray.core.settings import Settings
from tray.storage.files import write_privately
from tray.storage.settings_file import template
from tray.storage.token import Token, TokenError
from tray.system.open_file import open_file
from tray.system.paths import Paths
from tray.system.text_dialog import Ask

if TYPE_CHECKING:
    from tray.actions.serve.server_actions import Going


class OwnActions:
    """Carries these choices out; lives on the loop's thread. What psutil is needed for is loaded at the first use."""

    def __init__(
        self,
        paths: Paths,
        token: Token,
        settings: Callable[[], Settings],
        status: Callable[[], Mapping[str, Any]],
        going: Going,
        ask: Ask,
        token_rotated: Callable[[], None],
    ) -> None:
        self._paths = paths
        self._token = token
        self._settings = settings
        self._status = status
        self._going = going
        self._ask = ask
        self._token_rotated = token_rotated

    async def carry_out(self, choice: AppCommand) -> CommandResult:
        """Do it; what came of it, once that is known."""
        match choice:
            case CopyText(text):
                return await self._going.copy(text)
            case ExplainIgnoredClick():
                return CommandResult(MOVED, ok=False)
            case InstallPlugin():
                return await self._install_plugin()
            case ShowSummary():
                return self._summary()
            case OpenSettings():
                return await self._open_settings()
            case RunDoctor():
                return await self._run_doctor()
            case RotateToken():
                return await self._rotate_token()
            case _:
                assert_never(choice)

    async def carry_out_on_servers(self, choice: ServerCommand) -> CommandResult:
        """Do it; what came of it, once that is known."""
        from tray.actions.serve.server_actions import ServerActions  # noqa: PLC0415

        return await ServerActions(self._paths, self._settings, self._going, self._ask).carry_out(choice)

    async def _install_plugin(self) -> CommandResult:
        try:
            done = await asyncio.to_thread(install_plugin, self._paths.plugin)
        except PluginFileError as error:
            return CommandResult(str(error), ok=False)
        return CommandResult(f"{done}. Start OpenCode, or restart the instances that run", as_requested=False)

    def _summary(self) -> CommandResult:
        """What there is, for a click on an icon that has nobody to go to."""
        attention = self._status()["attention"]
        return CommandResult(f"No session needs you: {attention['tooltip']}", as_requested=False)

    async def _open_settings(self) -> CommandResult:
        path = self._paths.settings
        if not path.exists():
            await asyncio.to_thread(_write_template, path)
        return CommandResult(await open_file(path), as_requested=False)

    async def _run_doctor(self) -> CommandResult:
        """Where its findings can be read and copied: in a terminal, else in a notification."""
        opened = await self._going.run_in_terminal(["doctor", "--wait"])
        if opened is not None:
            return CommandResult(f"Opened in {opened}")
        from tray.actions.doctor.finding import summary  # noqa: PLC0415
        from tray.actions.doctor.runner import examine  # noqa: PLC0415

        return CommandResult(summary(await examine(self._paths, os.environ, self._status())), as_requested=False)

    async def _rotate_token(self) -> CommandResult:
        try:
            await asyncio.to_thread(self._token.rotate)
        except TokenError as error:
            return CommandResult(str(error), ok=False)
        asyncio.get_running_loop().call_soon(self._token_rotated)  # after the answer
        return CommandResult("Token replaced; plugins and clients reconnect with the new one")


def _write_template(path: Path) -> None:
    write_privately(path, template())  # it may come to hold a password
