"""Records of the servers started by the tray, one private file each, because it holds the server's password."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from tray.core.lenient_json import JSON_ERRORS
from tray.files.writing import NotPrivateError, read_privately, set_aside_unreadable, write_privately

log = logging.getLogger(__name__)


class StartedServer(msgspec.Struct, frozen=True, kw_only=True):
    """How a server was started, and which process it is (see `ProcessIdentity`)."""

    name: Annotated[str, Meta(pattern=r"^\d{1,5}(-\d+)?$")]  # its port, by which the user refers to it
    url: str
    directory: str
    pid: Annotated[int, Meta(gt=0, lt=2**31)]
    started: float  # `ProcessIdentity.started`
    boot: str = ""  # `ProcessIdentity.boot`
    log: Annotated[str, Meta(pattern=r"^[^\x00]*$")]
    program: str = "opencode"
    options: tuple[str, ...] = ()  # other than port and hostname
    hostname: str = "127.0.0.1"
    username: str = "opencode"
    password: str = ""

    def __repr__(self) -> str:
        """Omit the password."""
        return f"StartedServer({self.name}, {self.url}, pid {self.pid})"


def read_servers(folder: Path) -> list[StartedServer]:
    """Return the records sorted by name. A damaged file is set aside; others that cannot be used are skipped."""
    found = []
    for file in folder.glob("*.json"):
        try:
            found.append(msgspec.json.decode(read_privately(file), type=StartedServer))
        except NotPrivateError:
            _warn_once(f"ignoring {file}: other users can read it; remove it")
        except JSON_ERRORS as error:
            log.warning("%s; if its server still runs, end it yourself", set_aside_unreadable(file, error))
        except OSError as error:  # it may be readable at the next look
            _warn_once(f"cannot read {file}: {error}")
    return sorted(found, key=lambda server: (len(server.name), server.name))


@lru_cache(maxsize=64)
def _warn_once(text: str) -> None:
    log.warning("%s", text)


def write_server(folder: Path, server: StartedServer) -> None:
    """Write the record of a server. Raises OSError."""
    write_privately(folder / f"{server.name}.json", msgspec.json.encode(server).decode())


def remove_server(folder: Path, name: str) -> None:
    """Remove the record of a server that has ended. An error is logged, not raised."""
    try:
        (folder / f"{name}.json").unlink(missing_ok=True)
    except OSError as error:
        log.warning("cannot remove %s: %s", folder / f"{name}.json", error)
