"""The recorded servers: those that were started with `serve start` or from the menu."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tray.core.remote_hosts import HttpServer
from tray.storage.servers import StartedServer, read_servers

if TYPE_CHECKING:
    from tray.system.background_process import ProcessIdentity


def identity_of(server: StartedServer) -> ProcessIdentity:
    """Return the identity of the server's process."""
    from tray.system.background_process import ProcessIdentity  # noqa: PLC0415  # loads psutil

    return ProcessIdentity(server.pid, server.started, server.boot)


def is_running(server: StartedServer) -> bool:
    """Return whether the server's process is running."""
    return identity_of(server).process() is not None


def running_servers(folder: Path) -> list[HttpServer]:
    """Return the recorded servers that are running, with their passwords. Blocks: call it in a thread."""
    servers = filter(is_running, read_servers(folder))
    return [HttpServer(server.url, server.username, server.password) for server in servers]


def rotate_logs(folder: Path) -> None:
    """Rotate the logs of all recorded servers that are too long. Blocks: call it in a thread."""
    from tray.system.background_process import rotate_log  # noqa: PLC0415  # loads psutil

    for server in read_servers(folder):
        rotate_log(Path(server.log))
