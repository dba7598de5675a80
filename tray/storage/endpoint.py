"""Where the running tray listens: a file beside the token, which the plugin and the commands read."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tray.core.settings import HOST, PORT
from tray.storage.files import write_privately
from tray.storage.settings_file import load_settings

SIZE_MOST = 4096  # bytes


class Address(NamedTuple):
    """Where this machine reaches a tray."""

    host: str
    port: int

    def __str__(self) -> str:
        """HOST:PORT, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Endpoint(NamedTuple):
    """Where a tray listens, and which process it is."""

    host: str
    port: int
    pid: int

    @property
    def address(self) -> Address:
        """Where it is reached."""
        return Address(self.host, self.port)


def write_endpoint(path: Path, endpoint: Endpoint) -> None:
    """Leave it for the others. Raises OSError."""
    write_privately(path, json.dumps(endpoint._asdict()) + "\n")


def read_endpoint(path: Path) -> Endpoint | None:
    """What a running tray has left. None where there is no such file, it says nothing, or its process has ended.

    It is a hint: the handshake proves that a tray of ours listens there.
    """
    try:
        if not path.is_file():  # to open a pipe would wait
            return None
        with path.open("rb") as file:
            found = _checked(json.loads(file.read(SIZE_MOST)))
    except (OSError, ValueError, RecursionError):
        return None
    return None if found is None or _has_ended(found.pid) else found


def _checked(value: Any) -> Endpoint | None:
    """The endpoint that was written; None for anything else. By hand: every command reads it, and loads no msgspec."""
    if not isinstance(value, dict):
        return None
    host, port, pid = (value.get(name) for name in Endpoint._fields)
    if not (isinstance(host, str) and re.fullmatch(r"[A-Za-z0-9.:%_-]{1,253}", host)):
        return None
    if type(port) is not int or type(pid) is not int or not (0 < port < 65536 and 0 < pid < 2**31):
        return None
    return Endpoint(host, port, pid)


def remove_endpoint(path: Path, pid: int) -> None:
    """Take it away, unless a tray in another process has left its own there since. Raises OSError."""
    found = read_endpoint(path)
    if found is not None and found.pid == pid:
        path.unlink(missing_ok=True)


def tray_address(
    endpoint: Path,
    settings_file: Path,
    environment: Mapping[str, str],
    port: int | None = None,
    host: str | None = None,
) -> Address:
    """Where the tray of this person is reached.

    What was asked for (`port`, `host`, the environment) counts first, then the running tray's file, then the settings.
    Raises Problem for settings that are not allowed.
    """
    found = read_endpoint(endpoint)
    host_asked = host is not None or any(environment.get(name) for name in HOST.environment)
    port_asked = port is not None or any(environment.get(name) for name in PORT.environment)
    if found is not None and not host_asked and not port_asked:
        return found.address
    settings = load_settings(settings_file, environment, {PORT.key: port, HOST.key: host})
    if found is not None and not host_asked and settings[PORT] == found.port:
        return found.address
    return Address(reached_at(settings[HOST]), settings[PORT])


def reached_at(host: str) -> str:
    """The address at which this machine reaches a listener on `host`, which may be all addresses."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def _has_ended(pid: int) -> bool:
    if sys.platform == "win32":  # where `os.kill` would end it
        import psutil  # noqa: PLC0415  # not needed elsewhere

        return not psutil.pid_exists(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # another user's
        return False
    return False
