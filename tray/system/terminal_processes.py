"""Read the terminal, environment and ancestors of this user's own processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module

import msgspec
import psutil


class TerminalProcess(msgspec.Struct, frozen=True):
    """A process and its terminal. `environment` is empty if it cannot be read."""

    pid: int
    tty: str = ""
    environment: Mapping[str, str] = msgspec.field(default_factory=dict)
    ancestors: tuple[int, ...] = ()  # pids, its parent first
    arguments: tuple[str, ...] = ()
    directory: str = ""  # its working directory; "" if it cannot be read
    title: str = ""  # the title that the program has set; most terminals show it in the window title

    @property
    def in_terminal(self) -> bool:
        """Whether the process has a terminal. Always True on Windows, where this is unknown."""
        return bool(self.tty) or sys.platform == "win32"

    def variable(self, name: str) -> str:
        """Return a variable of its environment, or ""."""
        return self.environment.get(name, "")


def terminal_process_of(pid: int) -> TerminalProcess | None:
    """Return a process of this user with its terminal; None if it does not exist or is another user's."""
    if pid <= 0:
        return None
    try:
        process = psutil.Process(pid)
        if sys.platform != "win32" and process.uids().real != os.getuid():
            return None
        parents = tuple(parent.pid for parent in process.parents())
        arguments = tuple(process.cmdline())
        return TerminalProcess(pid, _terminal(process), _environment(process), parents, arguments, _directory(process))
    except (psutil.Error, OSError):
        return None


def exit_descriptor(pid: int) -> int | None:
    """Return a file descriptor that becomes readable when the process ends (Linux 5.3 or newer), or None."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # the process has ended, or the kernel is too old
        return None


def _environment(process: psutil.Process) -> Mapping[str, str]:
    try:
        return process.environ()
    except psutil.AccessDenied:  # macOS, for a program with a hardened runtime
        return {}


def _directory(process: psutil.Process) -> str:
    try:
        return process.cwd()
    except (psutil.Error, OSError):
        return ""


def _terminal(process: psutil.Process) -> str:
    """Return the terminal device, or "". psutil caches the list of devices, which lacks terminals opened since."""
    if sys.platform != "win32":
        listed = getattr(import_module("psutil._psposix"), "get_terminal_map", None)
        getattr(listed, "cache_clear", lambda: None)()
    return process.terminal() or "" if hasattr(process, "terminal") else ""


def attached_terminals(url: str) -> list[TerminalProcess]:
    """Return this user's `opencode attach URL` processes that have a terminal, the newest first."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["cmdline", "create_time"]):
        arguments = process.info["cmdline"] or []
        is_attach = "attach" in arguments[1:3] and any("opencode" in word.lower() for word in arguments[:2])
        if is_attach and any(argument.rstrip("/") == url.rstrip("/") for argument in arguments[2:]):
            found.append(process)
    return _in_terminals(found)


def program_terminals(name: str) -> list[TerminalProcess]:
    """Return this user's processes of a program that have a terminal, the newest first."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["create_time"]):
        with suppress(psutil.Error, OSError):  # OSError: Windows may refuse the name of a process
            if process.name().lower() in (name, f"{name}.exe"):
                found.append(process)
    return _in_terminals(found)


def _in_terminals(found: list[psutil.Process]) -> list[TerminalProcess]:
    found.sort(key=lambda process: -(process.info["create_time"] or 0))
    processes = (terminal_process_of(process.pid) for process in found)
    return [process for process in processes if process is not None and process.in_terminal]
