"""Cache of the last known servers, sessions and mutes, shown greyed out after a restart until confirmed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tray.core.events import Restored
from tray.core.fleet import Fleet
from tray.core.lenient_json import JSON_ERRORS
from tray.core.servers import Server, Source
from tray.core.sessions import Session
from tray.files.reading import read_regular
from tray.files.writing import set_aside_unreadable, write_privately


class _Cache(msgspec.Struct):
    version: int
    servers: tuple[Server, ...]
    sessions: tuple[Session, ...]
    mutes: dict[str, int]


VERSION = 1  # of the file format; a file with another version is treated as corrupt


def encode_cache(fleet: Fleet) -> str:
    """Encode the state that survives a restart: verified servers with their sessions, and the mutes.

    What other trays publish is not stored: the broker has it.
    """
    kept = [server for server in fleet.servers.values() if server.verified and server.source is not Source.TEAM]
    servers = {server.id: server for server in kept}
    sessions = tuple(session for session in fleet.sessions.values() if session.server in servers)
    cache = _Cache(VERSION, tuple(servers.values()), sessions, dict(fleet.mutes))
    return msgspec.json.encode(cache).decode()


def write_cache(path: Path, text: str) -> None:
    """Write the cache atomically. Raises OSError."""
    if not _is_special(path):
        write_privately(path, text)


def read_cache(path: Path) -> tuple[Restored | None, str | None]:
    """Return the cached state or None, and a problem to report or None. A corrupt file is set aside."""
    if _is_special(path):
        return None, f"cannot use the cache {path}: not a regular file"
    try:
        cache = msgspec.json.decode(read_regular(path), type=_Cache)
        if cache.version != VERSION:
            raise msgspec.ValidationError(f"version {cache.version}, not {VERSION}")
    except FileNotFoundError:
        return None, None
    except (OSError, *JSON_ERRORS) as error:
        return None, f"{set_aside_unreadable(path, error)}; sessions are shown once their agents connect"
    return Restored(cache.servers, cache.sessions, cache.mutes), None


def _is_special(path: Path) -> bool:
    """Whether it is a device, pipe or folder, which must be neither read nor replaced."""
    return path.exists() and not path.is_file()
