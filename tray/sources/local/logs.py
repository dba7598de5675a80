"""Read OpenCode's logs: which process works on which sessions, and which permissions it asks for.

Measured: up to 1.14, each process writes its own file, named after its start time. 1.18 writes one shared file with the
id of the run (one start of OpenCode) in each line. Only versions up to 1.14 log that a permission was answered.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from tray.files.reading import open_regular

FIRST_READ = 1024 * 1024  # bytes at the end of a shared log that are read first
MAX_READ = 4 * 1024 * 1024  # bytes read at once; older ones are skipped
MAX_ASKS, MAX_RUNS = 100, 500  # that are kept, of one run and of one folder
EARLIEST_RUN, LATEST_RUN = -1_500, 10_000  # ms between the start of a process and that of its run in the log

_OWN_FILE = re.compile(r"(\d{4}-\d\d-\d\dT\d{6})\.log")
_SHARED = re.compile(
    rb"^timestamp=(?P<at>\S+) level=\S+ run=(?P<run>\w+) message="
    rb"(?:asking id=(?P<ask>per_\w+) permission=(?P<kind>\S+)"
    rb"|(?:loop|process|stream|created|\"exiting loop\") .*?\b(?:session\.)?id=(?P<session>ses_\w+)"
    rb"|(?P<other>\S))",
    re.MULTILINE,
)
_OWN = re.compile(
    rb"^\w+ +(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d) \+\d+ms service="
    rb"(?:bus type=permission\.(?P<event>asked|updated|replied) publishing"
    rb"|permission (?:id=\S+ )?permission=(?P<kind>\S+) (?:pattern=.* action=.*\"ask\".* evaluated|.* asking)"
    rb"|session\.prompt .*?\bsession(?:ID|\.id)=(?P<session>ses_\w+))",
    re.MULTILINE,
)


class Ask(msgspec.Struct, frozen=True):
    """A permission request in the log, which does not name the session."""

    at: int  # ms since the Unix epoch
    kind: str  # of the permission, such as "bash"


class Run(msgspec.Struct):
    """One start of OpenCode."""

    started: int  # ms since the Unix epoch; 0: before the part of the log that was read
    logs_answers: bool  # whether answered requests are removed from `asks`
    sessions: set[str] = msgspec.field(default_factory=set)
    asks: list[Ask] = msgspec.field(default_factory=list)
    last_kind: str = ""  # of the last permission that was evaluated

    def add_ask(self, at: int, kind: str) -> None:
        """Add a permission request; the oldest of too many is dropped."""
        self.asks.append(Ask(at, kind))
        del self.asks[:-MAX_ASKS]


class _Position(NamedTuple):
    """How far a file was read."""

    inode: int  # another file may replace it
    offset: int


class Logs:
    """The log folder of one data folder; each `read` continues where the last one ended.

    The files stay open: opening a log counts as the start of a new OpenCode process (`folder_watch.OPEN_EVENTS`). Not
    so on Windows, where OpenCode could not delete a file that is open.
    """

    def __init__(self, folder: Path) -> None:
        self.runs: dict[str, Run] = {}  # by id; for a file of its own, by its start time
        self._folder = folder
        self._streams: dict[Path, BinaryIO] = {}
        self._read_to: dict[Path, _Position] = {}

    def close(self) -> None:
        """Close the files."""
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()

    def read(self, since: float) -> None:
        """Read what was added to the files that were changed after `since` (s). Raises OSError."""
        files = set(self._folder.glob("*.log"))
        for removed in self._read_to.keys() - files:
            if removed in self._streams:
                self._streams.pop(removed).close()
            del self._read_to[removed]
            own = _OWN_FILE.fullmatch(removed.name)
            self.runs.pop(own[1] if own else "", None)
        for file in files:
            with suppress(OSError, ValueError):  # ValueError: an invalid time in the name
                if file.stat().st_mtime >= since - 1:
                    self._read_added(file)
        if sys.platform == "win32":
            self.close()
        while len(self.runs) > MAX_RUNS:
            del self.runs[next(iter(self.runs))]

    def runs_of(self, starts: Mapping[int, float]) -> dict[int, Run]:
        """Return the run of each process (pid to start time in s): the first unassigned one that started with it."""
        unassigned = sorted((run for run in self.runs.values() if run.started), key=lambda run: run.started)
        runs = {}
        for pid, started in sorted(starts.items(), key=lambda item: item[1]):
            delays = ((run, run.started - started * 1000) for run in unassigned)
            run = next((run for run, delay in delays if EARLIEST_RUN <= delay <= LATEST_RUN), None)
            if run is not None:
                unassigned.remove(run)
                runs[pid] = run
        return runs

    def _read_added(self, file: Path) -> None:
        status = file.stat()
        stream, position = self._streams.get(file), self._read_to.get(file)
        own = _OWN_FILE.fullmatch(file.name)
        if position is not None and position.inode == status.st_ino and position.offset <= status.st_size:
            offset = position.offset
        else:
            stream, offset = None, 0 if own else max(0, status.st_size - FIRST_READ)
        offset = max(offset, status.st_size - MAX_READ)
        if status.st_size == offset:
            return
        stream = stream or self._open(file)
        stream.seek(offset)
        text = stream.read(status.st_size - offset)
        complete = text[: text.rfind(b"\n") + 1]
        self._read_to[file] = _Position(status.st_ino, offset + len(complete))
        if own:
            self._parse_own(own[1], complete)
        else:
            self._parse_shared(complete, from_start=offset == 0)

    def _open(self, file: Path) -> BinaryIO:
        if file in self._streams:
            self._streams.pop(file).close()
        self._streams[file] = open_regular(file)
        return self._streams[file]

    def _parse_own(self, name: str, text: bytes) -> None:
        """Parse a file that belongs to one process. Raises ValueError if its name is not a time."""
        started = datetime.strptime(name, "%Y-%m-%dT%H%M%S").replace(tzinfo=UTC)
        run = self.runs.setdefault(name, Run(int(started.timestamp() * 1000), logs_answers=True))
        for match in _OWN.finditer(text):
            if match["session"]:
                run.sessions.add(match["session"].decode())
            elif match["kind"]:
                run.last_kind = match["kind"].decode("ascii", "replace")
            elif match["event"] == b"replied":
                del run.asks[:1]
            else:
                run.add_ask(_time(match["at"]), run.last_kind)

    def _parse_shared(self, text: bytes, *, from_start: bool) -> None:
        """Parse a shared file. The first run of the text may have started before it, unless it is `from_start`."""
        for match in _SHARED.finditer(text):
            run_id = match["run"].decode()
            run = self.runs.get(run_id)
            if run is None:
                is_start = from_start or bool(self.runs)
                run = self.runs[run_id] = Run(_time(match["at"]) if is_start else 0, logs_answers=False)
            if match["session"]:
                run.sessions.add(match["session"].decode())
            elif match["ask"]:
                run.add_ask(_time(match["at"]), match["kind"].decode("ascii", "replace"))


def _time(text: bytes) -> int:
    """Return a time in ms since the Unix epoch; 0 if it is invalid."""
    try:
        time = datetime.fromisoformat(text.decode("ascii"))
    except ValueError:
        return 0
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
