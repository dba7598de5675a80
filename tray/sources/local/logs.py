"""OpenCode's logs: which run of it works on which sessions, and what it asks permission for.

Measured: up to 1.14 each run writes a file of its own, named by its start; in 1.18 all write one file, and each line
names its run. A permission that was answered is logged up to 1.14 alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

FIRST_READ = 1024 * 1024  # bytes of a log's end that are read at first
MOST_READ = 4 * 1024 * 1024  # bytes read at once; what is more is skipped
KEPT_ASKS, KEPT_RUNS = 100, 500

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
    rb"(?:bus type=permission\.(?P<deed>asked|updated|replied) publishing"
    rb"|permission (?:id=\S+ )?permission=(?P<kind>\S+) (?:pattern=.* action=.*\"ask\".* evaluated|.* asking)"
    rb"|session\.prompt .*?\bsession(?:ID|\.id)=(?P<session>ses_\w+))",
    re.MULTILINE,
)


class Ask(msgspec.Struct, frozen=True):
    """A run asks for a permission. The log does not say in which session."""

    at: int  # ms since the Unix epoch
    kind: str


class Run(msgspec.Struct):
    """One start of OpenCode."""

    begun: int  # ms since the Unix epoch; 0: before what was read
    tells_answers: bool  # whether an ask that is listed waits for sure
    sessions: set[str] = msgspec.field(default_factory=set)
    asks: list[Ask] = msgspec.field(default_factory=list)
    last_kind: str = ""  # of the permission that was evaluated last


class Logs:
    """The log folder of one data folder, read on from where it was read to.

    Files stay open: who opens one is looked at as a new OpenCode.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._streams: dict[Path, BinaryIO] = {}
        self._read_to: dict[Path, int] = {}
        self.runs: dict[str, Run] = {}

    def close(self) -> None:
        """Close the files."""
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()

    def read(self, since: float) -> None:
        """Take in what was written since the last time, in the files touched after `since` (s)."""
        there = set(self._folder.glob("*.log"))
        for gone in self._streams.keys() - there:
            self._streams.pop(gone).close()
            self._read_to.pop(gone, None)
            own = _OWN_FILE.fullmatch(gone.name)
            self.runs.pop(own[1] if own else "", None)
        for file in there:
            with suppress(OSError, ValueError):  # ValueError: a name that is no time
                if file.stat().st_mtime >= since - 1:
                    self._read_on(file)
        while len(self.runs) > KEPT_RUNS:
            del self.runs[next(iter(self.runs))]

    def runs_of(self, starts: Mapping[int, float]) -> dict[int, Run]:
        """By process, its run: the first after its start (s) that is nobody's, within some seconds."""
        left = sorted((run for run in self.runs.values() if run.begun), key=lambda run: run.begun)
        found = {}
        for process, started in sorted(starts.items(), key=lambda item: item[1]):
            run = next((run for run in left if -1_500 <= run.begun - started * 1000 <= 10_000), None)
            if run is not None:
                left.remove(run)
                found[process] = run
        return found

    def _read_on(self, file: Path) -> None:
        size = file.stat().st_size
        begin = self._read_to.get(file)
        if begin is None or size < begin:  # new to us, or begun anew
            begin = 0 if _OWN_FILE.fullmatch(file.name) else max(0, size - FIRST_READ)
        if size - begin > MOST_READ:
            begin = size - MOST_READ
        if size == begin:
            return
        if begin == 0 or file not in self._streams:
            self._open(file)
        stream = self._streams[file]
        stream.seek(begin)
        text = stream.read(size - begin)
        whole = text.rfind(b"\n") + 1
        self._read_to[file] = begin + whole
        own = _OWN_FILE.fullmatch(file.name)
        if own:
            self._take_own(own[1], text[:whole])
        else:
            self._take_shared(text[:whole], begins=begin == 0)

    def _open(self, file: Path) -> None:
        if file in self._streams:
            self._streams.pop(file).close()
        self._streams[file] = file.open("rb")

    def _take_own(self, name: str, text: bytes) -> None:
        begun = datetime.strptime(name, "%Y-%m-%dT%H%M%S").replace(tzinfo=UTC)
        run = self.runs.setdefault(name, Run(int(begun.timestamp() * 1000), tells_answers=True))
        for found in _OWN.finditer(text):
            if found["session"]:
                run.sessions.add(found["session"].decode())
            elif found["kind"]:
                run.last_kind = found["kind"].decode("ascii", "replace")
            elif found["deed"] == b"replied":
                del run.asks[:1]
            else:
                run.asks.append(Ask(_time(found["at"]), run.last_kind))

    def _take_shared(self, text: bytes, *, begins: bool) -> None:
        for found in _SHARED.finditer(text):
            name = found["run"].decode()
            run = self.runs.get(name)
            if run is None:
                known = begins or bool(self.runs)  # the first one seen may have begun before what was read
                run = self.runs[name] = Run(_time(found["at"]) if known else 0, tells_answers=False)
            if found["session"]:
                run.sessions.add(found["session"].decode())
            elif found["ask"]:
                run.asks.append(Ask(_time(found["at"]), found["kind"].decode("ascii", "replace")))
                del run.asks[:-KEPT_ASKS]


def _time(text: bytes) -> int:
    """Milliseconds since the Unix epoch; 0 for what is no time."""
    try:
        told = datetime.fromisoformat(text.decode("ascii"))
    except ValueError:
        return 0
    return int((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() * 1000)
