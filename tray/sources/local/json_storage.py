"""OpenCode's storage before 1.2: a JSON file for each session, message and part."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from tray.opencode.lenient_json import JSON_ERRORS, decode
from tray.sources.local.records import NEWEST, StoredPart, StoredSession
from tray.sources.protocol.schema import MessageInfo, SessionInfo, TodoInfo

MOST = 50  # sessions read
PARTS = 40  # of one message

S = TypeVar("S", bound=msgspec.Struct)


def read_sessions(
    storage: Path, directories: Collection[str], since: int, also: Collection[str]
) -> list[StoredSession]:
    """The sessions of these directories touched `since` (ms), and `also` these by id, with their subagents."""
    known = {info.id: info for info in _infos(storage, since, also)}
    wanted = {
        name
        for name, info in known.items()
        if name in also or (info.directory in directories and not (info.time and info.time.archived))
    }
    while below := {name for name, info in known.items() if info.parentID in wanted} - wanted:
        wanted |= below
    newest = sorted(wanted, key=lambda name: -(time.updated if (time := known[name].time) else 0))
    return [_stored(storage, known[name]) for name in newest[:MOST]]


def _infos(storage: Path, since: int, also: Collection[str]) -> Iterator[SessionInfo]:
    """The sessions whose file was written since; nothing else of them is touched."""
    for file in storage.glob("session/*/*.json"):
        with suppress(OSError):
            if file.stem in also or file.stat().st_mtime * 1000 >= since:
                info = _read(SessionInfo, file)
                if info is not None:
                    yield info


def _stored(storage: Path, info: SessionInfo) -> StoredSession:
    names = _names(storage / "message" / info.id)
    read = (_read(MessageInfo, storage / "message" / info.id / name) for name in names[-NEWEST:])
    messages = tuple(message for message in read if message is not None)
    parts: tuple[StoredPart, ...] = ()
    if messages:
        folder = storage / "part" / messages[-1].id
        found = (_read(StoredPart, folder / name) for name in _names(folder)[-PARTS:])
        parts = tuple(part for part in found if part is not None)
    return StoredSession(info, messages, len(names), parts, _todos(storage / "todo" / f"{info.id}.json"))


def _names(folder: Path) -> list[str]:
    """The files of a folder, oldest first: OpenCode's ids ascend."""
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.suffix == ".json")
    except OSError:
        return []


def _todos(file: Path) -> tuple[TodoInfo, ...]:
    try:
        return tuple(msgspec.json.decode(file.read_bytes(), type=list[TodoInfo])[:100])
    except (OSError, *JSON_ERRORS):
        return ()


def _read(shape: type[S], file: Path) -> S | None:
    """None for a file that is gone, or half written: it is read again at the next change."""
    try:
        return decode(file.read_bytes(), shape)
    except (OSError, *JSON_ERRORS):
        return None
