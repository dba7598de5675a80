"""Execute the commands that concern machines with a tunnel: add, list, check and remove them."""

from __future__ import annotations

from typing import Protocol, assert_never

import msgspec

from tray.core.commands import AddRemote, CheckRemote, CommandResult, ListRemotes, RemoteCommand, RemoveRemote
from tray.core.remote_state import RemoteState
from tray.core.text import counted


class RemoteService(Protocol):
    """The machines, as these commands use them."""

    def overview(self) -> tuple[RemoteState, ...]:
        """Return what the user sees of each machine."""

    async def add(self, destination: str) -> CommandResult:
        """Install the plugin there, and keep a tunnel from now on. Raises UserError."""

    async def check(self, destination: str) -> CommandResult:
        """Find out what is missing. Raises UserError."""

    async def remove(self, destination: str) -> CommandResult:
        """Close the tunnel and revoke the token. Raises UserError."""


class RemoteActions:
    """Executes remote commands on the event loop's thread."""

    def __init__(self, remotes: RemoteService) -> None:
        self._remotes = remotes

    async def execute(self, command: RemoteCommand) -> CommandResult:
        """Execute a command and return its result. Raises UserError."""
        match command:
            case AddRemote(destination):
                return await self._remotes.add(destination)
            case ListRemotes():
                states = self._remotes.overview()
                return CommandResult(counted(len(states), "machine", "machines"), result=msgspec.to_builtins(states))
            case CheckRemote(destination):
                return await self._remotes.check(destination)
            case RemoveRemote(destination):
                return await self._remotes.remove(destination)
            case _:
                assert_never(command)
