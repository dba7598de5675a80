"""Read OpenCode's storage before 1.2: a JSON file for each session, message and part."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from tray.core.lenient_json import JSON_ERRORS, decode
from tray.files.reading import find_files, read_regular
from tray.sources.local.records import MAX_MESSAGES, MAX_PARTS, MAX_SESSIONS, MAX_TODOS, StoredPart, StoredSession
from tray.sources.protocol.schema import MessageInfo, SessionInfo, TodoInfo

S = TypeVar("S", bound=msgspec.Struct)


def read_sessions(
    storage: Path, directories: Collection[str], since: int, session_ids: Collection[str]
) -> list[StoredSession]:
    """Return the sessions of these directories changed since `since` (ms), those with these ids, and their subagents.

    At most MAX_SESSIONS, the most recently updated first.
    """
    infos = {info.id: info for info in _infos(storage, since, session_ids)}
    wanted = {
        session_id
        for session_id, info in infos.items()
        if session_id in session_ids or (info.directory in directories and not (info.time and info.time.archived))
    }
    while children := {child for child, info in infos.items() if info.parentID in wanted} - wanted:
        wanted |= children
    newest = sorted(wanted, key=lambda session_id: -(time.updated if (time := infos[session_id].time) else 0))
    return [_stored(storage, infos[session_id]) for session_id in newest[:MAX_SESSIONS]]


def session_files(storage: Path, since: int) -> list[tuple[Path, int]]:
    """Return the files of all sessions that changed since a time (ms), and when, the oldest first."""
    times = {}
    for file in find_files(storage, "session/*/*.json"):
        with suppress(OSError):
            changed = max(file.stat().st_mtime, _changed_at(storage / "message" / file.stem))
            times[file] = int(changed * 1000)
    return sorted(((file, time) for file, time in times.items() if time >= since), key=lambda item: item[1])


def _changed_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def read_whole_session(file: Path) -> tuple[SessionInfo, list[MessageInfo]] | None:
    """Return the session of a file with all its messages; None if it has gone."""
    info = _read(SessionInfo, file)
    if info is None:
        return None
    folder = file.parents[2] / "message" / info.id
    read = (_read(MessageInfo, folder / name) for name in _file_names(folder))
    return info, [message for message in read if message is not None]


def _infos(storage: Path, since: int, session_ids: Collection[str]) -> Iterator[SessionInfo]:
    """Yield the sessions whose file was written since then. Other files are not opened."""
    for file in find_files(storage, "session/*/*.json"):
        with suppress(OSError):
            if file.stem in session_ids or file.stat().st_mtime * 1000 >= since:
                info = _read(SessionInfo, file)
                if info is not None:
                    yield info


def _stored(storage: Path, info: SessionInfo) -> StoredSession:
    folder = storage / "message" / info.id
    names = _file_names(folder)
    read = (_read(MessageInfo, folder / name) for name in names[-MAX_MESSAGES:])
    messages = tuple(message for message in read if message is not None)
    parts = _parts(storage / "part" / messages[-1].id) if messages else ()
    return StoredSession(info, messages, len(names), parts, _todos(storage / "todo" / f"{info.id}.json"))


def _parts(folder: Path) -> tuple[StoredPart, ...]:
    read = (_read(StoredPart, folder / name) for name in _file_names(folder)[-MAX_PARTS:])
    return tuple(part for part in read if part is not None)


def _file_names(folder: Path) -> list[str]:
    """Return the names of a folder's JSON files, the oldest first: OpenCode's ids ascend."""
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.suffix == ".json")
    except OSError:
        return []


def _todos(file: Path) -> tuple[TodoInfo, ...]:
    try:
        return tuple(msgspec.json.decode(read_regular(file), type=list[TodoInfo])[:MAX_TODOS])
    except (OSError, *JSON_ERRORS):
        return ()


def _read(shape: type[S], file: Path) -> S | None:
    """Return the record of a file, or None if it is missing or incomplete: it is read again after its next change."""
    try:
        return decode(read_regular(file), shape)
    except (OSError, *JSON_ERRORS):
        return None
