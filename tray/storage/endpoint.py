"""The endpoint file beside the token: the address of the running tray, for the plugin and the commands."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tray.core.loopback import connect_host
from tray.core.settings import HOST, PORT
from tray.files.reading import read_regular
from tray.files.writing import write_privately
from tray.storage.settings_file import load_settings

MAX_SIZE = 4096  # bytes


class Address(NamedTuple):
    """The host and port at which a tray is reached."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return HOST:PORT as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Endpoint(NamedTuple):
    """The address and process of a running tray."""

    host: str
    port: int
    pid: int

    @property
    def address(self) -> Address:
        """The address of the tray."""
        return Address(self.host, self.port)


def write_endpoint(path: Path, endpoint: Endpoint) -> None:
    """Write the endpoint file. Raises OSError."""
    write_privately(path, json.dumps(endpoint._asdict()) + "\n")


def read_endpoint(path: Path) -> Endpoint | None:
    """Return the endpoint of the running tray; None if the file is missing or invalid, or its process has ended.

    The file is only a hint: the handshake proves that our tray listens there.
    """
    try:
        endpoint = _validated(json.loads(read_regular(path, MAX_SIZE)))
    except (OSError, ValueError, RecursionError):
        return None
    return None if endpoint is None or _has_ended(endpoint.pid) else endpoint


def _validated(value: Any) -> Endpoint | None:
    """Return the decoded endpoint, or None if it is invalid. Without msgspec, which would slow down every command."""
    if not isinstance(value, dict):
        return None
    host, port, pid = (value.get(name) for name in Endpoint._fields)
    if not (isinstance(host, str) and re.fullmatch(r"[A-Za-z0-9.:%_-]{1,253}", host)):
        return None
    if type(port) is not int or type(pid) is not int or not (0 < port < 65536 and 0 < pid < 2**31):
        return None
    return Endpoint(host, port, pid)


def remove_endpoint(path: Path, pid: int) -> None:
    """Remove the file of the tray with this pid; keep that of another tray. Raises OSError."""
    endpoint = read_endpoint(path)
    if endpoint is not None and endpoint.pid == pid:
        path.unlink(missing_ok=True)


def tray_address(
    endpoint: Path,
    settings_file: Path,
    environment: Mapping[str, str],
    port: int | None = None,
    host: str | None = None,
) -> Address:
    """Return the address of this user's tray.

    `port`, `host` and the environment take precedence over the file of the running tray, and that over the settings.
    Raises UserError for invalid settings.
    """
    running = read_endpoint(endpoint)
    has_host = host is not None or any(environment.get(name) for name in HOST.environment)
    has_port = port is not None or any(environment.get(name) for name in PORT.environment)
    if running is not None and not has_host and not has_port:
        return running.address
    settings = load_settings(settings_file, environment, {PORT.key: port, HOST.key: host})
    if running is not None and not has_host and settings[PORT] == running.port:
        return running.address
    return Address(connect_host(settings[HOST]), settings[PORT])


def _has_ended(pid: int) -> bool:
    if sys.platform == "win32":  # `os.kill` would end the process
        import psutil  # noqa: PLC0415  # Windows only

        return not psutil.pid_exists(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # another user's process
        return False
    return False
