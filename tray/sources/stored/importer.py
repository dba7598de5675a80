"""Imports stored sessions into the history."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from tray.agents.claude.registry import configuration_folder as claude_folder
from tray.agents.codex.home import home_folder as codex_folder
from tray.agents.copilot.open_sessions import configuration_folder as copilot_folder
from tray.core.history import HistoryRecord, ImportRecord, TurnRecord
from tray.core.ledger import MAX_TITLE, step_of, transcript_turns
from tray.core.prices import Prices
from tray.core.servers import AgentKind
from tray.core.stored_turns import stored_turns
from tray.opencode.processes import data_folder
from tray.sources.stored.imported_session import ChangedSession, ImportedSession, StoredSource
from tray.sources.stored.opencode import opencode_sources
from tray.sources.stored.transcripts import claude_source, codex_source, copilot_source
from tray.system.own_host import own_host

log = logging.getLogger(__name__)

UNREADABLE = (OSError, sqlite3.Error)  # a source that is locked, damaged or not permitted now
OVERLAP = 60_000  # ms before the end of the last import that are read again: a session may have been written meanwhile


class ImportOptions(NamedTuple):
    """What the records of the history depend on."""

    day_of: Callable[[int], int]  # returns the local date of a time (ms), in days since 1970-01-01
    prices: Prices
    keeps_text: bool


class Step(NamedTuple):
    """One step of an import: the records of one session, or the end of a source."""

    records: list[HistoryRecord]
    done: int  # sessions so far, of ...
    total: int  # ... those that were found


def stored_sources(environment: Mapping[str, str], home: Path) -> list[StoredSource]:
    """Return everything that agents have stored on this machine."""
    host = own_host()
    return [
        *opencode_sources(data_folder(environment), host),
        claude_source(claude_folder(environment, home), host),
        codex_source(codex_folder(environment, home), host),
        copilot_source(copilot_folder(environment, home), host),
    ]


def import_stored(sources: list[StoredSource], until: Mapping[str, int], options: ImportOptions) -> Iterator[Step]:
    """Yield the records of all sessions that changed since the last import. Each step blocks for one session.

    An import that is interrupted continues with the next session. After a session that could not be read, the others
    of its source are imported as well, and all of them again by the next import.
    `until` is the time (ms) up to which each source was imported before.
    """
    began = time.time_ns() // 1_000_000
    found = [(source, sessions) for source in sources if (sessions := _find(source, until)) is not None]
    total, done = sum(len(sessions) for _, sessions in found), 0
    for source, sessions in found:
        is_complete = True
        for session in sessions:
            done += 1
            records: list[HistoryRecord] = []
            try:
                stored = source.read(session.name)
            except UNREADABLE as error:
                log.warning("cannot import %s of %s: %s", session.name, source.name, error)
                is_complete = False
            else:
                records = _records(stored, options) if stored is not None else []
            if is_complete:
                records.append(ImportRecord(source.name, min(session.changed, began)))
            yield Step(records, done, total)
        if is_complete:
            yield Step([ImportRecord(source.name, began)], done, total)


def _find(source: StoredSource, until: Mapping[str, int]) -> list[ChangedSession] | None:
    """Return the sessions of a source that changed; None if it cannot be read now."""
    try:
        return list(source.find(until.get(source.name, 0) - OVERLAP))
    except UNREADABLE as error:
        log.warning("cannot import the sessions of %s: %s", source.name, error)
        return None


def _records(stored: ImportedSession, options: ImportOptions) -> list[HistoryRecord]:
    session = replace(stored.session, title=stored.session.title[:MAX_TITLE] if options.keeps_text else "")
    steps = (step_of(session.id, message, options.day_of, options.prices) for message in stored.messages)
    return [
        session,
        *(step for step in steps if step is not None),
        *(() if session.parent else _turns(stored, options)),
    ]


def _turns(stored: ImportedSession, options: ImportOptions) -> Iterator[TurnRecord]:
    if stored.session.agent_kind is AgentKind.OPENCODE:
        return stored_turns(stored.session.id, stored.messages, options.day_of)
    return transcript_turns(stored.session.id, stored.turns, options.day_of, keeps_text=options.keeps_text)
