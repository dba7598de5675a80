"""Connect to the D-Bus session bus and call methods with plain messages.

Plain messages, because dbus-fast renames its service decorators from time to time.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

TIMEOUT = 5.0  # s for a connection or a reply


class BusError(Exception):
    """There is no session bus, or a method call failed; the message names the reason."""


async def connect() -> MessageBus:
    """Connect to the session bus. Raises BusError if there is none."""
    try:
        async with asyncio.timeout(TIMEOUT):
            bus = await MessageBus(bus_type=BusType.SESSION).connect()
    except Exception as error:  # a wrong address, no socket or a refusal: each raises another type
        raise BusError(f"no session bus: {error or type(error).__name__}") from error
    _tolerate_full_socket(bus)
    return bus


async def call(bus: MessageBus, message: Message) -> list[Any]:
    """Call a method and return its values. Raises BusError for an error, a lost bus or no reply within TIMEOUT."""
    try:
        async with asyncio.timeout(TIMEOUT):
            reply = await bus.call(message)
    except Exception as error:  # the bus is closed: EOFError, OSError, …
        raise BusError(f"{message.member}: {error or type(error).__name__}") from error
    if reply is None or reply.message_type is MessageType.ERROR:
        raise BusError(f"{message.member}: {reply.error_name if reply else 'no answer'}")
    return reply.body


class _NonFailingSocket:
    """A socket whose `send` returns 0 instead of raising while the kernel's buffer is full."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def send(self, block: memoryview) -> int:
        try:
            return self._real.send(block)
        except BlockingIOError:
            return 0


def _tolerate_full_socket(bus: MessageBus) -> None:
    # dbus-fast (seen in 5.2.0) takes EAGAIN for a lost connection; after a send of 0 bytes it tries again later.
    writer = getattr(bus, "_writer", None)
    if writer is not None and hasattr(writer, "sock"):
        writer.sock = _NonFailingSocket(writer.sock)
