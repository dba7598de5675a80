"""Running other programs: argument lists only, never a shell; none that hangs holds us up."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence

import msgspec

from tray.system.programs import command_for

TIMEOUT = 3.0  # s that a program gets to answer
SETTLED = 0.6  # s after which a program that still runs, or has ended well, counts as started


class Ran(msgspec.Struct, frozen=True):
    """A program that has ended, or was ended because it took too long (`code` is None)."""

    code: int | None
    out: str

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, and well."""
        return self.code == 0


async def run(command: Sequence[str], *, timeout: float = TIMEOUT, environment: Mapping[str, str] | None = None) -> Ran:
    """Run to the end; a program that is not there has code 127. `environment` adds to our own.

    Raises UnsafeArgumentError.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command_for(command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
    except OSError:
        return Ran(127, "")
    try:
        async with asyncio.timeout(timeout):
            out, _ = await process.communicate()
    except TimeoutError:
        return Ran(None, "")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ran(process.returncode, out.decode("utf-8", "replace"))


async def start(command: Sequence[str], environment: Mapping[str, str] | None = None) -> bool:
    """Start a program that lives on without us, with this environment or our own.

    False if it is not there, or ends badly within SETTLED. Raises UnsafeArgumentError.
    """
    return await asyncio.to_thread(_start, command_for(command), environment)


def _start(command: Sequence[str], environment: Mapping[str, str] | None) -> bool:
    quiet = subprocess.DEVNULL
    try:
        if sys.platform == "win32":
            process = subprocess.Popen(command, env=environment, creationflags=subprocess.CREATE_NEW_CONSOLE)
        else:
            process = subprocess.Popen(
                command, env=environment, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
            )
    except OSError:
        return False
    try:
        return process.wait(SETTLED) == 0
    except subprocess.TimeoutExpired:  # the thread leaves no zombie behind; it ends with the program, or with us
        threading.Thread(target=process.wait, name=f"wait for {process.pid}", daemon=True).start()
        return True
