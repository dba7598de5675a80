"""A connection to the D-Bus session bus, by plain messages: dbus-fast renames its service decorators now and then."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

TIMEOUT = 5.0  # s for an answer, before the other side counts as hung


class BusError(Exception):
    """The session bus, or who was called on it, did not do what was asked: its name for why."""


async def connect() -> MessageBus:
    """A connection to the session bus. Raises BusError where none answers."""
    try:
        async with asyncio.timeout(TIMEOUT):
            bus = await MessageBus(bus_type=BusType.SESSION).connect()
    except Exception as error:  # a wrong address, no socket there, a refusal: each has its own exception
        raise BusError(f"no session bus: {error or type(error).__name__}") from error
    _wait_when_full(bus)
    return bus


async def call(bus: MessageBus, message: Message) -> list[Any]:
    """Call a method; returns what it returned. Raises BusError for an error, a lost bus and no answer in `TIMEOUT`."""
    try:
        async with asyncio.timeout(TIMEOUT):
            reply = await bus.call(message)
    except Exception as error:  # the bus went away: EOFError, OSError, …
        raise BusError(f"{message.member}: {error or type(error).__name__}") from error
    if reply is None or reply.message_type is MessageType.ERROR:
        raise BusError(f"{message.member}: {reply.error_name if reply else 'no answer'}")
    return reply.body


class _WaitingSocket:
    """A socket that sends nothing, instead of failing, while the kernel's buffer is full."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def send(self, block: memoryview) -> int:
        try:
            return self._real.send(block)
        except BlockingIOError:
            return 0


def _wait_when_full(bus: MessageBus) -> None:
    # dbus-fast (seen in 5.2.0) takes EAGAIN for a lost connection; of 0 bytes sent it sends the rest later.
    writer = getattr(bus, "_writer", None)
    if writer is not None and hasattr(writer, "sock"):
        writer.sock = _WaitingSocket(writer.sock)
