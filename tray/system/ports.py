"""Who holds a TCP port on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psutil


def holder(port: int) -> str | None:
    """Return "NAME (pid N)" of the process that listens on the port, or None if none can be seen.

    Other users' processes are visible only to root on some systems; then it says "a process of another user".
    """
    for pid, taken in _listening():
        if taken == port:
            return _named(pid)
    return None


def _listening() -> Iterator[tuple[int | None, int]]:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr:
                yield connection.pid, connection.laddr.port
    except (psutil.AccessDenied, OSError):  # macOS lets nobody but root see all at once
        for process in psutil.process_iter():
            for own in _connections(process):
                if own.status == psutil.CONN_LISTEN and own.laddr:
                    yield process.pid, own.laddr.port


def _connections(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections(kind="tcp"))
    except (psutil.Error, OSError):
        return []


def _named(pid: int | None) -> str:
    if pid is None:
        return "a process of another user"
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})"
    except psutil.Error:
        return f"a process (pid {pid})"
