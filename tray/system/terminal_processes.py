"""What this user's own processes say of themselves: parents, terminal, environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module

import msgspec
import psutil


class TerminalProcess(msgspec.Struct, frozen=True):
    """A process as it sits in a terminal, by its own word; `environment` is empty where that cannot be read."""

    pid: int
    tty: str = ""
    environment: Mapping[str, str] = msgspec.field(default_factory=dict)
    ancestors: tuple[int, ...] = ()  # its parent first
    arguments: tuple[str, ...] = ()
    title: str = ""  # what the program calls itself, which most terminals show in their window's name

    @property
    def in_terminal(self) -> bool:
        """Whether it has one. Windows does not tell."""
        return bool(self.tty) or sys.platform == "win32"

    def variable(self, name: str) -> str:
        """A variable of its environment, or ""."""
        return self.environment.get(name, "")


def terminal_process_of(pid: int) -> TerminalProcess | None:
    """The seat of a process of this user; None if it is not there, or another user's."""
    if pid <= 0:
        return None
    try:
        process = psutil.Process(pid)
        if sys.platform != "win32" and process.uids().real != os.getuid():
            return None
        parents = tuple(parent.pid for parent in process.parents())
        return TerminalProcess(pid, _terminal(process), _environment(process), parents, tuple(process.cmdline()))
    except (psutil.Error, OSError):
        return None


def exit_descriptor(pid: int) -> int | None:
    """A file descriptor that can be read once the process has ended; None where there is none to be had."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # it has ended, or the kernel is older than 5.3
        return None


def _environment(process: psutil.Process) -> Mapping[str, str]:
    try:
        return process.environ()
    except psutil.AccessDenied:  # macOS, of a hardened program
        return {}


def _terminal(process: psutil.Process) -> str:
    """Its terminal device, or "". psutil lists the devices once, and does not know those of terminals opened since."""
    if sys.platform != "win32":
        listed = getattr(import_module("psutil._psposix"), "get_terminal_map", None)
        getattr(listed, "cache_clear", lambda: None)()
    return process.terminal() or "" if hasattr(process, "terminal") else ""


def attached_to(url: str) -> list[TerminalProcess]:
    """The terminals of this user in which `opencode attach URL` runs, the newest first."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["cmdline", "create_time"]):
        arguments = process.info["cmdline"] or []
        is_attach = "attach" in arguments[1:3] and any("opencode" in word.lower() for word in arguments[:2])
        if is_attach and any(argument.rstrip("/") == url.rstrip("/") for argument in arguments[2:]):
            found.append(process)
    found.sort(key=lambda process: -(process.info["create_time"] or 0))
    seats = (terminal_process_of(process.pid) for process in found)
    return [seat for seat in seats if seat is not None and seat.in_terminal]
