"""The sessions in OpenCode's databases (1.2 and later), and in the JSON files of older versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from tray.core.history import SessionRecord
from tray.files.reading import is_folder
from tray.opencode import sqlite
from tray.sources.local import database as stored_database
from tray.sources.local import json_storage
from tray.sources.protocol.schema import MessageInfo, SessionInfo
from tray.sources.stored.imported_session import ChangedSession, ImportedSession, StoredSource


def opencode_sources(data: Path, host: str) -> Iterator[StoredSource]:
    """Yield the sources in OpenCode's data folder."""
    for database in sqlite.databases(data):
        yield StoredSource(str(database), partial(_find, database), partial(_read, database, host))
    storage = data / "storage"
    if is_folder(storage / "session"):
        yield StoredSource(str(storage), partial(_find_files, storage), partial(_read_file, host))


def _find(database: Path, since: int) -> list[ChangedSession]:
    query = """SELECT id, time_updated FROM session
        WHERE time_updated >= ? AND typeof(time_updated) = 'integer' ORDER BY time_updated"""

    def work(connection: sqlite3.Connection) -> list[ChangedSession]:
        return [ChangedSession(str(row[0]), int(row[1])) for row in connection.execute(query, (since,))]

    try:
        return sqlite.read(database, work)
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):  # OpenCode has just begun it
            return []
        raise


def _read(database: Path, host: str, session_id: str) -> ImportedSession | None:
    stored = stored_database.read_whole_session(database, session_id)
    return _session(host, *stored) if stored is not None else None


def _find_files(storage: Path, since: int) -> list[ChangedSession]:
    return [ChangedSession(str(file), changed) for file, changed in json_storage.session_files(storage, since)]


def _read_file(host: str, name: str) -> ImportedSession | None:
    stored = json_storage.read_whole_session(Path(name))
    return _session(host, *stored) if stored is not None else None


def _session(host: str, info: SessionInfo, messages: Iterable[MessageInfo]) -> ImportedSession:
    facts = info.to_core()
    record = SessionRecord(
        facts.id,
        parent=facts.parent or "",
        host=host,
        directory=facts.directory or "",
        title=facts.title or "",
        created=facts.created or 0,
    )
    model, agent = facts.model or "", facts.agent or ""
    found = (message.to_core() for message in messages)
    named = (replace(each, model=each.model or model, agent=each.agent or agent) for each in found)
    return ImportedSession(record, tuple(named))
