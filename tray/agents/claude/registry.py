"""Claude Code's registry: one file for each running process, which names its session and what it is doing.

The registry is internal to Claude Code: every field may be absent. A file stays after its process was killed, until
another Claude Code starts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from tray.core.lenient_json import JSON_ERRORS, decode
from tray.files.reading import find_files, read_regular

MAX_FILES = 500  # that are read; more are ignored
ATTEMPTS, ATTEMPT_INTERVAL = 4, 0.01  # readings of invalid files, and s between two
MAX_SIZE = 100_000  # bytes of a file; larger ones are ignored


class RegistryEntry(msgspec.Struct, frozen=True, rename="camel"):
    """One process, as its file describes it. Times are in ms since the Unix epoch."""

    pid: Annotated[int, msgspec.Meta(gt=0, lt=2**31)]
    session_id: str
    cwd: str = ""
    proc_start: str = ""  # on Linux: field 22 of /proc/PID/stat, in clock ticks since the boot
    started_at: int = 0
    version: str = ""
    kind: str = ""  # "interactive", or "bg" for a session in the background
    entrypoint: str = ""  # "cli", or "sdk-cli" for `claude -p`
    status: str = ""  # "idle", "busy", "waiting" …
    waiting_for: str = ""  # "permission prompt", "dialog open", "input needed"
    status_updated_at: int = 0
    name: str = ""  # of the session
    name_source: str = ""  # "derived": from the directory
    job_id: str = ""  # of a session in the background, for `claude attach`


def configuration_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Return Claude Code's folder, which follows CLAUDE_CONFIG_DIR."""
    return Path(environment.get("CLAUDE_CONFIG_DIR") or home / ".claude")


def read_registry(folder: Path) -> list[RegistryEntry]:
    """Return the entries of the registry in a configuration folder, the oldest process first.

    Blocks for up to 30 ms while files are invalid: Claude Code rewrites them in place.
    """
    files = sorted(find_files(folder / "sessions", "*.json"))[:MAX_FILES]
    entries: list[RegistryEntry] = []
    for attempt in range(ATTEMPTS):
        if attempt and files:
            time.sleep(ATTEMPT_INTERVAL)
        files = [file for file in files if not _add_entry(file, entries)]
    return sorted(entries, key=lambda entry: (entry.started_at, entry.pid))


def _add_entry(file: Path, entries: list[RegistryEntry]) -> bool:
    """Add the entry of a file, if it has one, and return whether the file was valid."""
    try:
        entries.append(decode(read_regular(file, MAX_SIZE), RegistryEntry))
    except OSError:
        return True  # removed meanwhile, or too large
    except JSON_ERRORS:
        return False  # half written, or of another version
    return True
