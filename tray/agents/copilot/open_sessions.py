"""The sessions that processes of Copilot CLI have open: each has a folder with a lock file that names the process.

A lock stays after its process was killed. A session that was resumed has none before its first prompt. The files are
internal to Copilot CLI: any may be absent.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from tray.core.lenient_json import decode_or
from tray.files.reading import open_regular

SESSIONS, EVENTS, WORKSPACE = "session-state", "events.jsonl", "workspace.yaml"
TRANSCRIPTS = f"{SESSIONS}/{{}}/{EVENTS}"  # in Copilot CLI's folder, with the id of a session or "*"
MAX_WORKSPACE = 100_000  # bytes that are read
TIME_STEP = 2_000_000_000  # ns between two change times that a file system tells apart, at most
_LOCK = re.compile(r"inuse\.(\d+)\.lock")
_SCALAR = re.compile(r"^(cwd|name):[ \t]+(.+)$", re.MULTILINE)


class OpenSession(msgspec.Struct, frozen=True):
    """One session that a process has open."""

    id: str
    folder: Path
    pid: int
    opened: float  # when the process opened it, in s since the Unix epoch
    directory: str = ""
    name: str = ""  # from the user, or the beginning of the first prompt


class _Listing(msgspec.Struct, frozen=True):
    """The locks in the folder of a session."""

    changed: int  # when the folder was changed, in ns since the Unix epoch
    listed: int  # when it was listed
    pids: tuple[int, ...]


class OpenSessions:
    """Finds the open sessions. Only folders that have changed are listed again: most sessions ended long ago."""

    def __init__(self, folder: Path) -> None:
        """`folder` is Copilot CLI's folder."""
        self._folder = folder / SESSIONS
        self._listings: dict[str, _Listing] = {}  # by session

    def read(self) -> list[OpenSession]:
        """Return the sessions that have a lock, whether its process runs or not."""
        try:
            with os.scandir(self._folder) as entries:
                listings = {entry.name: found for entry in entries if (found := self._listing(entry)) is not None}
        except OSError:
            listings = {}
        self._listings = listings
        locks = [(self._folder / name, pid) for name, listing in listings.items() for pid in listing.pids]
        sessions = [_open_session(folder, pid) for folder, pid in locks]
        return [session for session in sessions if session is not None]

    def _listing(self, entry: os.DirEntry[str]) -> _Listing | None:
        """Return the locks in an entry of the folder; None if it is no session."""
        try:
            if entry.name.startswith(".") or not entry.is_dir():
                return None
            changed = entry.stat().st_mtime_ns
            known = self._listings.get(entry.name)
            if known is not None and known.changed == changed and known.listed > changed + TIME_STEP:
                return known
            listed = time.time_ns()
            found = [_LOCK.fullmatch(path.name) for path in Path(entry.path).iterdir()]
        except OSError:
            return None  # removed meanwhile
        return _Listing(changed, listed, tuple(int(lock[1]) for lock in found if lock is not None))


def configuration_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Return Copilot CLI's folder, which follows COPILOT_HOME."""
    return Path(environment.get("COPILOT_HOME") or home / ".copilot")


def _open_session(folder: Path, pid: int) -> OpenSession | None:
    try:
        opened = (folder / f"inuse.{pid}.lock").stat().st_mtime
    except OSError:
        return None  # closed meanwhile
    workspace = dict(_workspace(folder / WORKSPACE))
    return OpenSession(folder.name, folder, pid, opened, workspace.get("cwd", ""), workspace.get("name", ""))


def _workspace(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the values of `workspace.yaml` that are used. They are on one line each."""
    try:
        with open_regular(path) as stream:
            text = stream.read(MAX_WORKSPACE).decode("utf-8", "replace")
    except OSError:
        return
    for name, value in _SCALAR.findall(text):
        yield name, _scalar(value.strip())


def _scalar(value: str) -> str:
    """Return the text of a YAML scalar that is plain or quoted."""
    if value.startswith("'") and value.endswith("'"):
        return value[1:-1].replace("''", "'")
    if value.startswith('"'):
        return decode_or(value.encode(), str, "")
    return "" if value in ("|", ">", "|-", ">-", "null", "~") else value
