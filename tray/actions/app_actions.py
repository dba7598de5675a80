"""Execute the commands that concern the tray itself or OpenCode's servers, rather than a session."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, assert_never

from tray.actions.agent_hooks import AgentHooks, apply
from tray.actions.attach.fallback import open_page
from tray.actions.attach.opener import SessionOpener
from tray.actions.install import install_plugin
from tray.actions.page_actions import PageActions
from tray.agents.catalog import AGENTS
from tray.core.click_guard import MOVED
from tray.core.commands import (
    AppCommand,
    CommandResult,
    CopyText,
    ExplainIgnoredClick,
    InstallHooks,
    InstallPlugin,
    OpenReleases,
    OpenSettings,
    PageCommand,
    RotateToken,
    RunDoctor,
    ServerCommand,
    ShowAbout,
    ShowSummary,
)
from tray.core.errors import UserError
from tray.core.settings import Settings
from tray.files.writing import write_privately
from tray.storage.settings_file import template
from tray.storage.token import Token
from tray.system.installation import installed_as, python_version
from tray.system.open_file import open_file
from tray.system.paths import Paths
from tray.system.secret_variables import whole_environment
from tray.system.text_dialog import Ask

RELEASES = "https://pypi.org/project/opencode-tray/"


class AppActions:
    """Executes app and server commands on the event loop's thread. Modules that need psutil load at their first use."""

    def __init__(
        self,
        paths: Paths,
        token: Token,
        settings: Callable[[], Settings],
        status: Callable[[], Mapping[str, Any]],
        opener: SessionOpener,
        ask: Ask,
        token_rotated: Callable[[], None],
        page: PageActions,
    ) -> None:
        """`status` returns the report of `status --json`; `token_rotated` closes the connections with the old token."""
        self._paths = paths
        self._token = token
        self._settings = settings
        self._status = status
        self._opener = opener
        self._ask = ask
        self._token_rotated = token_rotated
        self._page = page

    async def execute(self, command: AppCommand) -> CommandResult:
        """Execute a command and return its result."""
        try:
            return await self._execute(command)
        except UserError as error:
            return CommandResult(str(error), ok=False)

    async def execute_on_server(self, command: ServerCommand) -> CommandResult:
        """Execute a server command and return its result."""
        from tray.actions.serve.server_actions import ServerActions  # noqa: PLC0415  # loads psutil

        return await ServerActions(self._paths, self._settings, self._opener, self._ask).execute(command)

    async def _execute(self, command: AppCommand) -> CommandResult:
        if isinstance(command, PageCommand):
            return await self._page.execute(command)
        match command:
            case CopyText(text):
                return await self._opener.copy(text)
            case ExplainIgnoredClick():
                return CommandResult(MOVED, ok=False)
            case InstallPlugin():
                done = await asyncio.to_thread(install_plugin, self._paths.plugin)
                return CommandResult(f"{done}. Start OpenCode, or restart its running instances", as_requested=False)
            case InstallHooks(kind):
                hooks = AgentHooks(os.environ, Path.home(), self._paths.hook_socket)
                done = await asyncio.to_thread(lambda: apply(hooks.installation(AGENTS[kind])))
                return CommandResult(f"{done}. Running sessions use the hooks at once", as_requested=False)
            case ShowSummary():
                summary = self._status()["attention"]["tooltip"]
                return CommandResult(f"No session needs you: {summary}", as_requested=False)
            case OpenSettings():
                await asyncio.to_thread(_create_settings, self._paths.settings)
                return CommandResult(await open_file(self._paths.settings), as_requested=False)
            case RunDoctor():
                return await self._run_doctor()
            case ShowAbout():
                return CommandResult(f"Version {installed_as()}; {python_version()}", as_requested=False)
            case OpenReleases():
                opened = await open_page(RELEASES)
                return CommandResult(f"Opened {RELEASES}" if opened else f"See {RELEASES}", as_requested=opened)
            case RotateToken():
                await asyncio.to_thread(self._token.rotate)
                asyncio.get_running_loop().call_soon(self._token_rotated)  # after the result has been sent
                return CommandResult("Token replaced; plugins and clients reconnect with the new one")
            case _:
                assert_never(command)

    async def _run_doctor(self) -> CommandResult:
        """Show the findings in a terminal, where the user can copy them, or else in a notification."""
        opened = await self._opener.run_in_terminal(["doctor", "--wait"])
        if opened is not None:
            return CommandResult(f"Opened in {opened}")
        from tray.actions.doctor.finding import summary  # noqa: PLC0415  # loads psutil
        from tray.actions.doctor.runner import run_checks  # noqa: PLC0415  # loads psutil

        return CommandResult(
            summary(await run_checks(self._paths, whole_environment(), self._status())), as_requested=False
        )


class SettingsFileError(UserError):
    """The settings file cannot be created; the message says why."""


def _create_settings(path: Path) -> None:
    """Create the settings file if it does not exist. It is private: it may contain passwords."""
    try:
        if not path.exists():
            write_privately(path, template())
    except OSError as error:
        raise SettingsFileError(f"cannot write {path}: {error.strerror}") from error
