"""Programs that run on without us, and their ends: only ever the very process that is meant."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from tray.system.programs import command_for

KEPT_LOG = 10_000_000  # bytes of a log, after which it is begun anew; the one before is kept beside it
TERMINATED_WITHIN = 5.0  # s that a process gets to end by itself
KILLED_WITHIN = 3.0  # s that the system gets to end it


class Identity(msgspec.Struct, frozen=True):
    """One process: a number is used again, together with its start it is not."""

    pid: int
    started: float  # s since the machine started, on Linux: its clock may be set; else since the Unix epoch
    boot: str = ""  # which start of the machine that was

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The process that has this number now."""
        try:
            return cls(pid, _start_of(pid), _boot())
        except (psutil.Error, OSError, ValueError, OverflowError):
            return None

    def process(self) -> psutil.Process | None:
        """The process itself, while it runs."""
        now = Identity.of(self.pid)
        if now is None or now.boot != self.boot or abs(now.started - self.started) > 0.05:
            return None
        try:
            process = psutil.Process(self.pid)
            return process if process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


def _start_of(pid: int) -> float:
    if sys.platform != "linux":
        return float(psutil.Process(pid).create_time())
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")  # proc(5): field 22, the third stands after the name


def _boot() -> str:
    if sys.platform != "linux":
        return ""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def launch(
    command: Sequence[str], *, folder: str, environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output added to a log of the owner's.

    Raises OSError and UnsafeArgumentError.
    """
    command = command_for(command)
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)  # appending: it may be cut while written
    try:
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=handle, stderr=handle,
                creationflags=flags,
            )  # fmt: skip
        else:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=handle, stderr=handle,
                start_new_session=True,
            )  # fmt: skip
    finally:
        os.close(handle)
    threading.Thread(target=process.wait, name=f"wait for {process.pid}", daemon=True).start()  # leaves no zombie
    return process


def rotate(log: Path) -> None:
    """Begin a log anew that has become long, under the feet of who writes it; what it held is kept beside it."""
    with suppress(OSError):
        if log.stat().st_size > KEPT_LOG:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)


async def end(identity: Identity, *, patience: float = TERMINATED_WITHIN) -> bool:
    """End a process and what it has started: gracefully, then firmly. Whether it has ended."""
    process = identity.process()
    below = _below(process) if process is not None else []
    if process is not None:
        _tell(process, firmly=False)
        if not await _has_ended([process], patience):
            _tell(process, firmly=True)
    for child in below:
        _tell(child, firmly=False)
    if not await _has_ended(below, 1.0):
        for child in below:
            _tell(child, firmly=True)
    everyone = [*below, *([process] if process is not None else [])]
    return await _has_ended(everyone, KILLED_WITHIN)


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def _tell(process: psutil.Process, *, firmly: bool) -> None:
    with suppress(psutil.Error):  # psutil itself compares the start before it signals
        process.kill() if firmly else process.terminate()


async def _has_ended(processes: list[psutil.Process], within: float) -> bool:
    deadline = asyncio.get_running_loop().time() + within
    pause = 0.01
    while any(map(_runs, processes)):
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(pause)
        pause = min(2 * pause, 0.1)
    return True


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
