"""Executes the user's commands and reports their results."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from tray.actions.app_actions import AppActions
from tray.actions.channel_actions import ChannelActions
from tray.actions.dispatcher import Dispatcher, title_of
from tray.actions.phone_actions import PhoneActions
from tray.actions.remote_actions import RemoteActions
from tray.core.commands import (
    AppCommand,
    ChannelCommand,
    Command,
    CommandResult,
    PhoneCommand,
    Quit,
    RemoteCommand,
    ServerCommand,
    Surface,
)
from tray.core.errors import UserError
from tray.system.tasks import TaskSet

log = logging.getLogger(__name__)


class ServiceActions(NamedTuple):
    """The actions on services of the tray."""

    channels: ChannelActions
    remotes: RemoteActions
    phones: PhoneActions


class CommandRunner:
    """Hands each command to the part that executes it. Lives on the loop's thread."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        app_actions: AppActions,
        service_actions: ServiceActions,
        tasks: TaskSet,
        *,
        stop: Callable[[], None],
        after: Callable[[Command], Awaitable[None]],
        show_message: Callable[[str, str], None],
        log_file: Path,
    ) -> None:
        """`after` updates what a command has changed; `show_message` takes title and text."""
        self._dispatcher = dispatcher
        self._app_actions = app_actions
        self._service_actions = service_actions
        self._tasks = tasks
        self._stop = stop
        self._after = after
        self._show_message = show_message
        self._log_file = log_file

    async def execute(self, command: Command, surface: Surface) -> CommandResult:
        """Execute a command and return its result."""
        if isinstance(command, Quit):
            self._stop()
            return CommandResult("OpenCode Tray stops; agents continue")
        if isinstance(command, ServerCommand):
            result = await self._app_actions.execute_on_server(command)
            await self._after(command)
            return result
        if isinstance(command, ChannelCommand):
            return await _result_of(self._service_actions.channels.execute(command))
        if isinstance(command, RemoteCommand):
            return await _result_of(self._service_actions.remotes.execute(command))
        if isinstance(command, PhoneCommand):
            return await _result_of(self._service_actions.phones.execute(command))
        if isinstance(command, AppCommand):
            result = await self._app_actions.execute(command)
            await self._after(command)
            return result
        return await self._dispatcher.execute(command, surface)

    def execute_soon(self, command: Command, surface: Surface) -> None:
        """Execute a command in the background. A notification shows what failed or was not done as requested."""
        self._tasks.spawn(self._execute_and_report(command, surface), type(command).__name__)

    async def _execute_and_report(self, command: Command, surface: Surface) -> None:
        try:
            result = await self.execute(command, surface)
        except Exception:  # the user gets a result in any case
            log.exception("%s failed", type(command).__name__)
            result = CommandResult(f"failed; see {self._log_file}", ok=False)
        if not (result.ok and result.as_requested):
            self._show_message(title_of(command), result.message)


async def _result_of(work: Awaitable[CommandResult]) -> CommandResult:
    """Return the result of a command. An error that says what the user can do is one."""
    try:
        return await work
    except UserError as error:
        return CommandResult(str(error), ok=False)
