"""Find the process that listens on a TCP port of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psutil


def port_owner(port: int) -> str | None:
    """Return "NAME (pid N)" for the process that listens on the port, or None if none is visible.

    On some systems only root sees the processes of other users; the result is then "a process of another user".
    """
    for pid, used_port in _listening_ports():
        if used_port == port:
            return _describe(pid)
    return None


def _listening_ports() -> Iterator[tuple[int | None, int]]:
    """Yield (pid, port) of every listening socket; the pid is None for other users' processes."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr:
                yield connection.pid, connection.laddr.port
    except (psutil.AccessDenied, OSError):  # on macOS only root may list all at once
        for process in psutil.process_iter():
            for connection in _connections(process):
                if connection.status == psutil.CONN_LISTEN and connection.laddr:
                    yield process.pid, connection.laddr.port


def _connections(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections(kind="tcp"))
    except (psutil.Error, OSError):
        return []


def _describe(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"a process (pid {pid})"
