"""The last known servers, sessions and mutes on disk: shown greyed after a restart, until confirmed."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from tray.core.events import Restored
from tray.core.fleet import Fleet
from tray.core.model import DayUsage, Server, Session
from tray.storage.files import write_privately

log = logging.getLogger(__name__)


class _Cache(msgspec.Struct):
    version: int
    servers: tuple[Server, ...]
    sessions: tuple[Session, ...]
    mutes: dict[str, int]
    usage: DayUsage | None = None


VERSION = 1  # of the file's shape; another one is set aside like a corrupt file


def encode_cache(fleet: Fleet, usage: DayUsage | None = None) -> str:
    """What outlives a restart: of the fleet, that of those who have proven the token, and what was used today."""
    servers = {server.id: server for server in fleet.servers.values() if server.verified}
    sessions = tuple(session for session in fleet.sessions.values() if session.server in servers)
    cache = _Cache(VERSION, tuple(servers.values()), sessions, dict(fleet.mutes), usage)
    return msgspec.json.encode(cache).decode()


def write_cache(path: Path, text: str) -> None:
    """Write it whole; a disk that refuses costs nothing but the memory of a restart."""
    if _is_no_file(path):
        return
    try:
        write_privately(path, text)
    except OSError as error:
        log.warning("the cache was not written: %s", error)


def read_cache(path: Path) -> tuple[Restored | None, str | None]:
    """What was cached, and a problem to report. A file that cannot be understood is set aside as `*.corrupt`."""
    if _is_no_file(path):
        return None, f"the cache {path} is no regular file: nothing is read or kept there"
    try:
        cache = msgspec.json.decode(path.read_bytes(), type=_Cache)
        if cache.version != VERSION:
            raise msgspec.ValidationError(f"version {cache.version}, not {VERSION}")
    except FileNotFoundError:
        return None, None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        aside = path.with_suffix(path.suffix + ".corrupt")
        try:
            path.replace(aside)
        except OSError:
            return None, f"the cache {path} is corrupt ({error}) and cannot be set aside"
        return None, f"the cache was corrupt ({error}) and was set aside as {aside}"
    except OSError as error:
        return None, f"the cache {path} cannot be read: {error}"
    return Restored(cache.servers, cache.sessions, cache.mutes, cache.usage), None


def _is_no_file(path: Path) -> bool:
    """A device, a pipe or a folder: neither to be read, nor to be replaced by a file."""
    return path.exists() and not path.is_file()
