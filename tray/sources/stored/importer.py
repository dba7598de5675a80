"""Imports stored sessions into the history."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from tray.agents.claude.registry import configuration_folder as claude_folder
from tray.agents.codex.home import home_folder as codex_folder
from tray.agents.copilot.open_sessions import configuration_folder as copilot_folder
from tray.core.history import HistoryRecord, ImportRecord
from tray.core.ledger import MAX_TITLE, step_of
from tray.core.prices import Prices
from tray.core.servers import AgentKind
from tray.core.stored_turns import stored_turns
from tray.opencode.processes import data_folder
from tray.sources.stored.imported_session import ImportedSession, StoredSource
from tray.sources.stored.opencode import opencode_sources
from tray.sources.stored.transcripts import claude_source, codex_source, copilot_source

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
    host = socket.gethostname()
    return [
        *opencode_sources(data_folder(environment), host),
        claude_source(claude_folder(environment, home), host),
        codex_source(codex_folder(environment, home), host),
        copilot_source(copilot_folder(environment, home), host),
    ]


def import_stored(sources: list[StoredSource], until: Mapping[str, int], options: ImportOptions) -> Iterator[Step]:
    """Yield the records of all sessions that changed since the last import. Each step blocks for one session.

    An import that is interrupted continues with the next session.
    `until` is the time (ms) up to which each source was imported before.
    """
    began = time.time_ns() // 1_000_000
    found = [(source, list(source.find(until.get(source.name, 0) - OVERLAP))) for source in sources]
    total, done = sum(len(sessions) for _, sessions in found), 0
    for source, sessions in found:
        for session in sessions:
            stored = source.read(session.name)
            done += 1
            records = _records(stored, options) if stored is not None else []
            yield Step([*records, ImportRecord(source.name, min(session.changed, began))], done, total)
        yield Step([ImportRecord(source.name, began)], done, total)


def _records(stored: ImportedSession, options: ImportOptions) -> list[HistoryRecord]:
    session = replace(stored.session, title=stored.session.title[:MAX_TITLE] if options.keeps_text else "")
    steps = (step_of(session.id, message, options.day_of, options.prices) for message in stored.messages)
    is_root = session.agent_kind is AgentKind.OPENCODE and not session.parent
    turns = stored_turns(session.id, stored.messages, options.day_of) if is_root else ()
    return [session, *(step for step in steps if step is not None), *turns]
