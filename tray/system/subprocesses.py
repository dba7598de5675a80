"""Run other programs with a time limit, from argument lists and never through a shell."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec

from tray.system.programs import NO_WINDOW, command_for
from tray.system.tasks import run_all

TIMEOUT = 3.0  # s
END_TIME = 1.0  # s for the pipes of a program that was killed
STARTUP_TIME = 0.6  # s; a program that still runs then, or has exited with 0, counts as started


class CompletedRun(msgspec.Struct, frozen=True):
    """The exit code and standard output of a program; `code` is None if it was killed after its timeout."""

    code: int | None
    out: str

    @property
    def ok(self) -> bool:
        """Whether the program exited with 0."""
        return self.code == 0


async def run(
    command: Sequence[str],
    *,
    timeout: float = TIMEOUT,
    environment: Mapping[str, str] | None = None,
    stdin: str | None = None,
    with_errors: bool = False,
) -> CompletedRun:
    """Run a program until it exits. The code is 127 if the program does not exist.

    `environment` is added to our own, `stdin` is the program's standard input. `with_errors`: `out` has its standard
    error as well. Raises UnsafeArgumentError.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command_for(command),
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT if with_errors else asyncio.subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            creationflags=NO_WINDOW,
        )
    except OSError:
        return CompletedRun(127, "")
    try:
        async with asyncio.timeout(timeout):
            out, _ = await process.communicate(None if stdin is None else stdin.encode())
    except TimeoutError:
        return CompletedRun(None, "")
    finally:
        await end(process)
    return CompletedRun(process.returncode, out.decode("utf-8", "replace"))


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill a program that still runs, and discard what it has printed: until then, asyncio may not notice its end.

    Programs that it has started may keep its pipes open, although its input ends; they are not waited for longer than
    END_TIME.
    """
    if process.returncode is None:
        process.kill()
    if process.stdin is not None:
        process.stdin.close()
    streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
    with suppress(TimeoutError):
        async with asyncio.timeout(END_TIME):
            await run_all(_discard(stream) for stream in streams)
            await process.wait()


async def _discard(stream: asyncio.StreamReader) -> None:
    with suppress(RuntimeError):  # another task reads it
        while await stream.read(65_536):
            pass


async def start(command: Sequence[str], environment: Mapping[str, str] | None = None) -> bool:
    """Start a program that outlives the tray. `environment` replaces our own.

    Returns False if it does not exist or fails within STARTUP_TIME. Raises UnsafeArgumentError.
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
        return process.wait(STARTUP_TIME) == 0
    except subprocess.TimeoutExpired:
        # Reap the process when it exits; a daemon thread does not keep the tray alive.
        threading.Thread(target=process.wait, name=f"wait for {process.pid}", daemon=True).start()
        return True
