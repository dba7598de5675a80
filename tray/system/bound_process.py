"""Start programs that do not outlive the tray, even if it is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

from tray.system.bound_program import END_TIME
from tray.system.own_program import own_python
from tray.system.programs import NO_WINDOW, command_for
from tray.system.subprocesses import end

RUNNER = "tray.system.bound_program"
MAX_LINE = 65_536  # bytes


async def start_bound(command: Sequence[str]) -> asyncio.subprocess.Process:
    """Start a program; its output and its errors can be read from `stdout`. End it with `end_bound`.

    A process between the tray and the program ends the program when the tray ends, also by kill -9: its input, a pipe
    from the tray, ends then. Raises UnsafeArgumentError.
    """
    return await asyncio.create_subprocess_exec(
        own_python(), "-P", "-m", RUNNER, *command_for(command),  # -P: not the modules of the current directory
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=MAX_LINE,
        creationflags=NO_WINDOW,
        start_new_session=sys.platform != "win32",  # Ctrl-C ends the tray, which ends the program
    )  # fmt: skip


async def end_bound(process: asyncio.subprocess.Process) -> None:
    """End the program, and return once it has ended. What remains of it is killed."""
    if process.stdin is not None:
        process.stdin.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(END_TIME + 1):
            await process.wait()
    if sys.platform != "win32":
        with suppress(ProcessLookupError):  # the program may have outlived the process in between
            os.killpg(process.pid, signal.SIGKILL)
    await end(process)
