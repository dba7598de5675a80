"""The name of this machine, and whether a process at the other end of a TCP connection runs on it."""

from __future__ import annotations

import functools
import socket
from contextlib import suppress

import psutil


@functools.cache
def own_host() -> str:
    """Return the name of this machine at the first call, which identifies it as long as this program runs.

    macOS renames a machine when it joins another network.
    """
    return socket.gethostname()


def holds_connection(pid: int, local_port: int, remote_port: int) -> bool:
    """Whether a process of this machine has a TCP connection from its `local_port` to `remote_port`.

    False if the process cannot be inspected. Blocks for some ms: 10 with few open files, 50 with 3,000.
    """
    with suppress(psutil.Error, OSError):
        for connection in psutil.Process(pid).net_connections(kind="tcp"):
            ports = connection.laddr and connection.laddr.port, connection.raddr and connection.raddr.port
            if ports == (local_port, remote_port):
                return True
    return False
