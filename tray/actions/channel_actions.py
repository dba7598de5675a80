"""Execute the commands that concern channels: list, test and pair them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, assert_never

import msgspec

from tray.core.channel_state import ChannelState
from tray.core.commands import ChannelCommand, CommandResult, ListChannels, PairChannel, PressButton, SendTestMessage
from tray.core.text import counted


class ChannelService(Protocol):
    """The channels, as these commands use them."""

    def overview(self) -> tuple[ChannelState, ...]:
        """Return what the user sees of each channel."""

    async def test(self, name: str) -> CommandResult:
        """Send a test message. Raises UserError."""

    async def press(self, name: str, code: str, origin: str) -> CommandResult:
        """Give the answer of a button of a notification."""

    def pair(self, name: str) -> CommandResult:
        """Begin a pairing. Raises UserError."""


class ChannelActions:
    """Executes channel commands on the event loop's thread."""

    def __init__(self, channels: Callable[[], ChannelService]) -> None:
        """`channels` returns the service, which is built later than this."""
        self._channels = channels

    async def execute(self, command: ChannelCommand) -> CommandResult:
        """Execute a command and return its result. Raises UserError."""
        match command:
            case ListChannels():
                states = self._channels().overview()
                return CommandResult(counted(len(states), "channel", "channels"), result=msgspec.to_builtins(states))
            case SendTestMessage(name):
                return await self._channels().test(name)
            case PressButton(name, code, origin):
                return await self._channels().press(name, code, origin)
            case PairChannel(name):
                return self._channels().pair(name)
            case _:
                assert_never(command)
