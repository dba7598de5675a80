"""The sessions that Claude Code, Codex CLI and Copilot CLI keep as transcripts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec

from tray.agents.claude.session_files import SessionFiles
from tray.agents.claude.transcript import TRANSCRIPTS
from tray.agents.codex.home import ROLLOUTS, CodexHome
from tray.agents.codex.protocol import is_session
from tray.agents.codex.rollout import RolloutFile
from tray.agents.copilot.events import EventsFile
from tray.agents.copilot.open_sessions import TRANSCRIPTS as COPILOT_TRANSCRIPTS
from tray.core.history import SessionRecord
from tray.core.lenient_json import decode_or
from tray.core.servers import AgentKind
from tray.files.reading import find_files, open_regular
from tray.sources.stored.imported_session import ChangedSession, ImportedSession, StoredSource

MAX_LINES = 50  # of a transcript that are searched for its directory

Read = Callable[[Path], ImportedSession | None]


class _Line(msgspec.Struct):
    cwd: str = ""


def claude_source(folder: Path, host: str) -> StoredSource:
    """Return the transcripts in Claude Code's folder."""
    return _source(folder, TRANSCRIPTS, partial(_read_claude, host))


def codex_source(folder: Path, host: str) -> StoredSource:
    """Return the rollouts in Codex' folder."""
    return _source(folder, ROLLOUTS, partial(_read_codex, CodexHome(folder), host))


def copilot_source(folder: Path, host: str) -> StoredSource:
    """Return the events in Copilot CLI's folder."""
    return _source(folder, COPILOT_TRANSCRIPTS, partial(_read_copilot, host))


def _source(folder: Path, pattern: str, read: Read) -> StoredSource:
    return StoredSource(str(folder), partial(_changed, folder, pattern.format("*")), lambda name: read(Path(name)))


def _changed(folder: Path, pattern: str, since: int) -> list[ChangedSession]:
    """Return the files that changed since a time (ms), the oldest first: a fork is newer than its parent."""
    found = []
    for path in find_files(folder, pattern):
        with suppress(OSError):
            found.append(ChangedSession(str(path), int(os.stat(path).st_mtime * 1000)))  # noqa: PTH116  # many files
    return sorted((each for each in found if each.changed >= since), key=lambda each: each.changed)


def _read_claude(host: str, path: Path) -> ImportedSession | None:
    files = SessionFiles(path)
    transcript = files.read()
    record = SessionRecord(
        path.stem, AgentKind.CLAUDE, host=host, directory=next(_directories(path), ""), title=transcript.title
    )
    return ImportedSession(record, files.take_steps(), files.take_turns())


def _directories(path: Path) -> Iterator[str]:
    with suppress(FileNotFoundError), open_regular(path) as lines:
        for raw in islice(lines, MAX_LINES):
            line = decode_or(raw, _Line, _Line())
            if line.cwd:
                yield line.cwd


def _read_codex(home: CodexHome, host: str, path: Path) -> ImportedSession | None:
    file = RolloutFile(path)
    with suppress(FileNotFoundError):
        file.read()
    rollout = file.content
    if not rollout.thread_id or not is_session(rollout.purpose):
        return None
    record = SessionRecord(
        rollout.thread_id,
        AgentKind.CODEX,
        parent=rollout.parent,
        host=host,
        directory=rollout.directory,
        title=home.titles().get(rollout.thread_id, "") or rollout.first_prompt,
        created=rollout.created,
    )
    return ImportedSession(record, rollout.steps.take(f"{rollout.thread_id}/"), rollout.turns.take())


def _read_copilot(host: str, path: Path) -> ImportedSession | None:
    file = EventsFile(path)
    with suppress(FileNotFoundError):
        file.read()
    events = file.content
    record = SessionRecord(
        path.parent.name,
        AgentKind.COPILOT,
        host=host,
        directory=events.directory,
        title=events.first_prompt,
        created=events.created,
    )
    return ImportedSession(record, events.steps.take(), events.turns.take())
