"""The servers that were started with `serve start` or from the menu, and that run."""

from __future__ import annotations

from pathlib import Path

from tray.core.remote_hosts import HttpServer
from tray.storage.servers import StartedServer, read_servers


def running_servers(folder: Path) -> list[HttpServer]:
    """Return the running servers of these records, each with its password. Reads processes: call it on a thread."""
    return [HttpServer(server.url, server.username, server.password) for server in _running(folder)]


def rotate_logs(folder: Path) -> None:
    """Begin the log of a running server again where it has become too long."""
    from tray.system.background_process import rotate_log  # noqa: PLC0415  # loads psutil

    for server in _running(folder):
        rotate_log(Path(server.log))


def _running(folder: Path) -> list[StartedServer]:
    from tray.system.background_process import ProcessIdentity  # noqa: PLC0415  # loads psutil

    return [
        server for server in read_servers(folder) if ProcessIdentity(server.pid, server.started, server.boot).process()
    ]
