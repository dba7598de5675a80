"""What this user's own processes say of themselves: parents, terminal, environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module

import psutil


@dataclass(frozen=True, slots=True)
class Seat:
    """A process as it sits in a terminal. Built from the process itself, so nobody can make it up."""

    pid: int
    tty: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    ancestors: tuple[int, ...] = ()  # its parent first
    arguments: tuple[str, ...] = ()
    title: str = ""  # what the program calls itself, which most terminals show in their window's name

    def variable(self, name: str) -> str:
        """A variable of its environment, or ""."""
        return self.environment.get(name, "")


def seat_of(pid: int) -> Seat | None:
    """The seat of a process of this user; None if it is not there, or another user's."""
    if pid <= 0:
        return None
    try:
        process = psutil.Process(pid)
        environment = process.environ()
        return Seat(
            pid,
            _terminal(process),
            environment,
            tuple(parent.pid for parent in process.parents()),
            tuple(process.cmdline()),
        )
    except (psutil.Error, OSError):
        return None


def _terminal(process: psutil.Process) -> str:
    """Its terminal device, or "". psutil lists the devices once, and does not know those of terminals opened since."""
    if os.name == "posix":
        listed = getattr(import_module("psutil._psposix"), "get_terminal_map", None)
        getattr(listed, "cache_clear", lambda: None)()
    return process.terminal() or "" if hasattr(process, "terminal") else ""


def attached_to(url: str) -> list[Seat]:
    """The terminals of this user in which `opencode attach URL` runs, the newest first."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["name", "cmdline", "create_time"]):
        arguments = process.info["cmdline"] or []
        if "attach" in arguments[1:3] and any(argument.rstrip("/") == url.rstrip("/") for argument in arguments[2:]):
            found.append(process)
    found.sort(key=lambda process: -(process.info["create_time"] or 0))
    seats = (seat_of(process.pid) for process in found)
    return [seat for seat in seats if seat is not None and seat.tty]
