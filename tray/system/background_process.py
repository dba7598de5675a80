"""Start programs that outlive the tray, identify them safely, and end them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from tray.files.reading import open_to_append
from tray.system.process_start import process_stat
from tray.system.programs import command_for

LOG_SIZE = 10_000_000  # bytes; a longer log is rotated, with one backup
TERMINATE_TIMEOUT = 5.0  # s, after which a process that ignores SIGTERM is killed
CHILD_TIMEOUT = 1.0  # s, the same for its descendants
KILL_TIMEOUT = 3.0  # s for the system to end a killed process


class ProcessIdentity(msgspec.Struct, frozen=True):
    """Identifies one process: pids are reused, but not with the same start time and boot."""

    pid: int
    started: float  # s since boot on Linux, where the wall clock may be set; elsewhere since the Unix epoch
    boot: str = ""  # boot ID of the machine on Linux; elsewhere ""

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """Return the identity of the process that has this pid now, or None."""
        try:
            return cls(pid, _start_time(pid), _boot_id())
        except (psutil.Error, OSError, ValueError, OverflowError):
            return None

    def process(self) -> psutil.Process | None:
        """Return the process, or None once it has ended."""
        try:
            process = psutil.Process(self.pid)  # before the comparison, so that it is this process that is compared
            is_zombie = process.status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            return None
        now = ProcessIdentity.of(self.pid)
        if now is None or now.boot != self.boot or abs(now.started - self.started) > 0.05:
            return None
        return process if not is_zombie else None


def _start_time(pid: int) -> float:
    if sys.platform != "linux":
        return float(psutil.Process(pid).create_time())
    return int(process_stat(pid).start) / os.sysconf("SC_CLK_TCK")


def _boot_id() -> str:
    if sys.platform != "linux":
        return ""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def launch(
    command: Sequence[str], *, folder: str, environment: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a program in a new session and append its output to `log`, a file that only the owner can read.

    Raises OSError and UnsafeArgumentError.
    """
    command = command_for(command)
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = open_to_append(log)  # `rotate_log` relies on that
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
    threading.Thread(target=process.wait, name=f"wait for {process.pid}", daemon=True).start()  # reaps it
    return process


def rotate_log(log: Path) -> None:
    """Copy a log longer than LOG_SIZE to `LOG.1` and truncate it, while its program keeps writing to it."""
    with suppress(OSError):
        if log.stat().st_size > LOG_SIZE:
            shutil.copy(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)


async def end_process_tree(identity: ProcessIdentity) -> bool:
    """Terminate a process and its descendants; kill those that do not end in time. Returns whether all have ended."""
    process = identity.process()
    if process is None:
        return True
    descendants = _descendants(process)
    _terminate([process])
    if not await _wait([process], TERMINATE_TIMEOUT):
        _kill([process])
    _terminate(descendants)
    if not await _wait(descendants, CHILD_TIMEOUT):
        _kill(descendants)
    return await _wait([*descendants, process], KILL_TIMEOUT)


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def _terminate(processes: list[psutil.Process]) -> None:
    for process in processes:
        send_signal(process, signal.SIGTERM)


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        send_signal(process, _SIGKILL)


if sys.platform == "linux":
    _SIGKILL = signal.SIGKILL

    def send_signal(process: psutil.Process, number: int) -> None:
        """Send a signal to a process, unless it has ended: a later one with its pid never gets it.

        A file descriptor holds the process, so that its pid cannot pass to another one between check and signal.
        """
        with suppress(psutil.Error, OSError):
            try:
                handle = os.pidfd_open(process.pid)
            except ProcessLookupError:
                return
            except OSError:  # a kernel before 5.3, or a sandbox that forbids the call
                process.send_signal(number)
                return
            try:
                if process.is_running():
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)

else:
    _SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has only one way to end a process

    def send_signal(process: psutil.Process, number: int) -> None:
        """Send a signal to a process, unless it has ended: psutil compares the start times before."""
        with suppress(psutil.Error):
            process.send_signal(number)


async def _wait(processes: list[psutil.Process], timeout: float) -> bool:
    """Wait until all processes have ended; False after `timeout`."""
    deadline = asyncio.get_running_loop().time() + timeout
    pause = 0.01
    while any(map(_is_alive, processes)):
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(pause)
        pause = min(2 * pause, 0.1)
    return True


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
