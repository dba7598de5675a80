"""Receive the signals that ask the program to stop, on an event loop in any thread."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import suppress

NUMBERS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))


class StopSignals:
    """Waits for SIGINT, SIGTERM or, on Windows, SIGBREAK.

    Python runs signal handlers on the main thread, between two bytecodes. That may never happen while the main thread
    waits for a lock or runs a toolkit's main loop. The C handler writes to the wakeup descriptor at once.
    """

    def __init__(self) -> None:
        """Install the handlers. Raises ValueError on any thread but the main one."""
        self._received, self._wakeup = socket.socketpair()
        for end in (self._received, self._wakeup):
            end.setblocking(False)  # noqa: FBT003
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        for number in NUMBERS:
            signal.signal(number, self._handle)

    async def wait(self) -> None:
        """Wait for the next signal."""
        number = 0
        while number not in NUMBERS:
            (number,) = await asyncio.get_running_loop().sock_recv(self._received, 1)

    def _handle(self, number: int, _: object) -> None:
        """Write the number here as well: a GLib main loop replaces our wakeup descriptor with its own."""
        with suppress(BlockingIOError):
            self._wakeup.send(bytes([number]))
