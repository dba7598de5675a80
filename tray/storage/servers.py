"""The servers that were started here, a file each, for the owner alone: it holds the server's password."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from tray.storage.files import is_private, write_privately

log = logging.getLogger(__name__)


class StartedServer(msgspec.Struct, frozen=True, kw_only=True):
    """One server: how it was started, and which process it is. A number is used again, its start is not."""

    name: Annotated[str, Meta(pattern=r"^\d{1,5}(-\d+)?$")]  # its port, which is what a person calls it by
    url: str
    directory: str
    pid: Annotated[int, Meta(gt=0, lt=2**31)]
    started: float  # as the system tells it of that process
    boot: str = ""  # of the machine, in which that counts
    log: Annotated[str, Meta(pattern=r"^[^\x00]*$")]
    program: str = "opencode"
    options: tuple[str, ...] = ()  # besides port and host name
    hostname: str = "127.0.0.1"
    username: str = "opencode"
    password: str = ""

    def __repr__(self) -> str:
        """Without the password."""
        return f"StartedServer({self.name}, {self.url}, pid {self.pid})"


def read_servers(folder: Path) -> list[StartedServer]:
    """Every server that was started and not stopped, by name. What cannot be read is left out, and logged."""
    found = []
    for file in folder.glob("*.json"):
        try:
            if not is_private(file):
                log.warning("%s can be read by others and is not used; remove it", file)
                continue
            found.append(msgspec.json.decode(file.read_bytes(), type=StartedServer))
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("%s cannot be used: %s", file, error)
    return sorted(found, key=lambda server: (len(server.name), server.name))


def write_server(folder: Path, server: StartedServer) -> None:
    """Keep it. Raises OSError."""
    write_privately(folder / f"{server.name}.json", msgspec.json.encode(server).decode())


def remove_server(folder: Path, name: str) -> None:
    """Keep it no more. A folder that cannot be written is logged: what the record is of has ended anyhow."""
    try:
        (folder / f"{name}.json").unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s cannot be removed: %s", folder / f"{name}.json", error)
