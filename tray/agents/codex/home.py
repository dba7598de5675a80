"""Codex' folder: the daemon's socket and process, the open threads and their titles.

All of it is internal to Codex: every file and field may be absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import msgspec

from tray.core.lenient_json import decode_or
from tray.files.reading import open_regular, seek_near_end

ROLLOUTS = "sessions/*/*/*/rollout-*-{}.jsonl"  # in Codex' folder, with the id of a thread or "*"
MAX_PID_FILE = 10_000  # bytes
MAX_INDEX = 5_000_000  # bytes; of a longer index of titles, only the end is read


class _Identity(msgspec.Struct, rename="camel"):
    start_ticks: int | None = None


class Daemon(msgspec.Struct, frozen=True, rename="camel"):
    """The process of a daemon, as its file describes it."""

    pid: int = 0
    process_identity: _Identity | None = None

    @property
    def start(self) -> str:
        """When it started, as in /proc/PID/stat; "" if that is unknown."""
        ticks = self.process_identity.start_ticks if self.process_identity is not None else None
        return str(ticks) if ticks is not None else ""


class _Title(msgspec.Struct):
    id: str = ""
    thread_name: str = ""


class CodexHome:
    """The files in Codex' folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.control = folder / "app-server-control"  # appears with the first daemon
        self.locks = folder / "thread-writer-locks"  # one file for each open thread, which its process holds open

    @property
    def socket(self) -> Path:
        """The daemon's socket. It is a link to a shorter path: the paths of sockets are limited."""
        return (self.control / "app-server-control.sock").resolve()

    def open_threads(self) -> frozenset[str]:
        """Return the names of the files of open threads. They may be left over from a killed process."""
        try:
            return frozenset(path.name for path in self.locks.iterdir())
        except OSError:
            return frozenset()

    def new_rollouts(self, day: date) -> Path:
        """Return the folder of the rollouts of threads that begin on a day."""
        return self.folder / "sessions" / f"{day:%Y}" / f"{day:%m}" / f"{day:%d}"

    def daemon(self) -> Daemon:
        """Return the daemon that was started last; its pid is 0 if there was none."""
        path = self.folder / "app-server-daemon" / "daemon.pid"
        return decode_or(_end_of(path, MAX_PID_FILE), Daemon, Daemon())

    def titles(self) -> dict[str, str]:
        """Return the titles of the threads that have one, by thread id."""
        lines = _end_of(self.folder / "session_index.jsonl", MAX_INDEX).splitlines()
        entries = [decode_or(line, _Title, _Title()) for line in lines]
        return {entry.id: entry.thread_name for entry in entries if entry.thread_name}


def home_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Return Codex' folder, which follows CODEX_HOME."""
    return Path(environment.get("CODEX_HOME") or home / ".codex")


def _end_of(path: Path, size: int) -> bytes:
    """Return the last bytes of a file; none if it cannot be read."""
    try:
        with open_regular(path) as stream:
            seek_near_end(stream, size)
            return stream.read(size)
    except OSError:
        return b""
