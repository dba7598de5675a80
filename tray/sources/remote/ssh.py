"""Run ssh without a terminal: keys only, and never a question.

The commands for the other machine are constant texts for its `sh`, whatever the user's shell is there: they contain no
single quote. What varies is passed on the standard input.
"""

from __future__ import annotations

import asyncio
import os
from asyncio import StreamReader
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress

from tray.core.errors import UserError
from tray.system.programs import NO_WINDOW, command_for
from tray.system.subprocesses import end
from tray.system.tasks import run_all

OPTIONS = (
    "-T",
    *("-o", "BatchMode=yes"),
    *("-o", "ConnectTimeout=15"),
    *("-o", "ServerAliveInterval=15"),
    *("-o", "ServerAliveCountMax=2"),
    *("-o", "ControlPath=none"),  # a shared connection would outlive ours
    *("-o", "LogLevel=INFO"),  # its messages are read
    *("-o", "RemoteCommand=none"),
    *("-o", "PermitLocalCommand=no"),
    *("-o", "ForwardAgent=no"),
    *("-o", "ForwardX11=no"),
)
COMMAND_TIMEOUT = 60.0  # s
MAX_OUTPUT = 1024 * 1024  # bytes
NOT_RUN = "its shell did not run what was sent to it"
TOO_MUCH = f"it printed more than {MAX_OUTPUT // 1024} KiB; what do its shell's startup files do?"
_ADVICE = {
    "host key verification failed": "connect once in a terminal, and check its key: ssh {}",
    "permission denied": "ssh has to work with a key, without a question: ssh-copy-id {}",
    "could not resolve": "check its name: {}",
    "administratively prohibited": "its sshd does not allow tunnels (AllowTcpForwarding)",
    "remote port forwarding failed": "its sshd does not allow tunnels (AllowTcpForwarding)",
    "local forwarding": "your ssh configuration forwards a port for it (LocalForward) that is in use",
}


class SshError(UserError):
    """ssh failed; the text says what to do."""


async def start(destination: str, script: str, options: Sequence[str] = ()) -> Process:
    """Start a script on another machine, with pipes. Raises SshError without ssh, UnsafeArgumentError."""
    command = command_for(["ssh", *OPTIONS, *options, "--", destination, f"exec sh -c '{script}'"])
    environment = {**os.environ, "LC_ALL": "C"}  # messages of ssh are read
    try:
        return await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, creationflags=NO_WINDOW
        )
    except OSError as error:
        raise SshError(f"cannot run ssh: {error.strerror}") from error


async def run(destination: str, script: str, content: bytes = b"") -> str:
    """Run a script and return what it printed. Raises SshError, UnsafeArgumentError."""
    process = await start(destination, script)
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT):
            works = (_write(process, content), _read(process.stdout), _read(process.stderr))
            _, printed, errors = await run_all(works)
            await process.wait()
    except TimeoutError:
        raise SshError(f"{destination} did not answer within {COMMAND_TIMEOUT:g} s") from None
    finally:
        await end(process)
    if process.returncode:
        raise SshError(reason_of(errors.decode("utf-8", "replace"), destination))
    return printed.decode("utf-8", "replace")


async def _write(process: Process, content: bytes) -> bytes:
    if process.stdin is not None:
        with suppress(ConnectionError):
            process.stdin.write(content)
            await process.stdin.drain()
        process.stdin.close()
    return b""


async def _read(stream: StreamReader | None) -> bytes:
    """Read to the end. Raises SshError after MAX_OUTPUT."""
    read = bytearray()
    while stream is not None and (part := await stream.read(65_536)):
        read += part
        if len(read) > MAX_OUTPUT:
            raise SshError(TOO_MUCH)
    return bytes(read)


def reason_of(errors: str, destination: str) -> str:
    """Return why ssh failed, and what to do."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    reason = lines[-1][:200] if lines else "the connection was lost"
    advice = next((text for mark, text in _ADVICE.items() if mark in errors.lower()), "")
    return f"{reason}; {advice.format(destination)}" if advice else reason
