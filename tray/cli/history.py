"""The commands `history …`. They work with and without a running tray."""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from tray.cli import wide_console
from tray.cli.ask_user import confirmed
from tray.cli.exit_codes import FAILED, OK
from tray.core.errors import UserError
from tray.core.paths import base_name
from tray.core.settings import HISTORY, HISTORY_TEXT
from tray.core.text import clean, counted, shorten
from tray.opencode.model_prices import ModelPrices
from tray.sources.stored.importer import ImportOptions, import_stored, stored_sources
from tray.storage.history.database import HistoryError, backup, open_history
from tray.storage.history.export import csv_texts, exported_steps, json_texts
from tray.storage.history.recorder import Recorder
from tray.storage.history.search import FoundSession, SessionQuery, find_sessions
from tray.storage.history.selection import FIRST_DAY, LAST_DAY, Selection
from tray.storage.history.sessions import in_directory, with_prefix
from tray.storage.history.text_table import TITLE
from tray.storage.history.usage import imported_until, open_for_reading
from tray.storage.settings_file import load_settings
from tray.system.local_day import day_number, number_of
from tray.system.local_time import local_time
from tray.system.paths import Paths

MAX_HIT = 100  # columns of a text that was found


class HistoryFailedError(UserError):
    """The history cannot be read or written."""


class NothingChosenError(UserError):
    """No session was named, or not exactly one has this id."""

    is_usage = True


def import_history(options: argparse.Namespace) -> int:  # noqa: ARG001  # it has none
    """Import the stored sessions of all agents, and print how many. Raises UserError."""
    paths = Paths.of(os.environ)
    settings = load_settings(paths.settings, os.environ, {})
    if not settings[HISTORY]:
        raise HistoryFailedError("the history is off; set history.enabled to true")
    prices = ModelPrices(os.environ, Path.home()).read() or {}
    chosen = ImportOptions(day_number, prices, settings[HISTORY_TEXT] == "lines")
    with _errors(paths.history), _history(paths.history) as connection:
        sessions = _import(Recorder(connection), imported_until(paths.history), chosen)
    print(f"Imported {counted(sessions, 'session', 'sessions')} that changed since the last import")
    return OK


def _import(recorder: Recorder, until: dict[str, int], chosen: ImportOptions) -> int:
    """Import what is new, and show the progress in a terminal. Return the number of sessions."""
    sessions = 0
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        bar = progress.add_task("Sessions", total=None)
        for step in import_stored(stored_sources(os.environ, Path.home()), until, chosen):
            recorder.store(step.records)
            sessions = step.done
            progress.update(bar, completed=step.done, total=step.total)
    return sessions


def search_history(options: argparse.Namespace) -> int:
    """Print the sessions that match, the most recent first: at most search.PAGE. Raises UserError."""
    query = SessionQuery(" ".join(options.words), options.project, tag=options.tag, pinned=options.pinned)
    path = Paths.of(os.environ).history
    with _errors(path):
        found = find_sessions(path, query)
    if options.json:
        print(json.dumps([_plain(session) for session in found]))
        return OK
    table = Table(box=None, pad_edge=False)
    for name in ("ID", "LAST", "PROJECT", "TITLE"):
        table.add_column(name, no_wrap=name != "TITLE")
    for session in found:
        lines = [shorten(hit.text, MAX_HIT) for hit in session.hits if hit.kind != TITLE]
        title = "\n".join([clean(session.title) or "(untitled)", *(f"  {line}" for line in lines)])
        project = clean(base_name(session.project))
        table.add_row(*map(Text, (session.id, _date(session.touched), project, title)))
    if found:
        wide_console.console().print(table)
    else:
        print("No session in the history matches")
    return OK


def _date(at: int) -> str:
    found = local_time(at)
    return f"{found:%Y-%m-%d %H:%M}" if found is not None else ""


def _plain(session: FoundSession) -> dict[str, object]:
    return {
        "id": session.id,
        "title": session.title,
        "project": session.project,
        "agent_kind": session.program,
        "host": session.host,
        "created": session.created,
        "last": session.touched,
        "tokens": session.tokens,
        "reported_cost": session.reported / 1_000_000,
        "estimated_cost": session.estimated / 1_000_000,
        "note": session.note,
        "tags": list(session.tags),
        "pinned": bool(session.is_pinned),
        "hits": [{"kind": hit.kind, "at": hit.at, "text": hit.text} for hit in session.hits],
    }


def export_history(options: argparse.Namespace) -> int:
    """Print the recorded steps as CSV, or as JSON Lines. Raises UserError."""
    first = number_of(options.first) if options.first else FIRST_DAY
    last = number_of(options.last) if options.last else LAST_DAY
    path = Paths.of(os.environ).history
    texts = json_texts if options.json else csv_texts
    with _errors(path):
        for text in texts(exported_steps(path, Selection(first, last))):
            sys.stdout.write(text)
    return OK


def delete_history(options: argparse.Namespace) -> int:
    """Remove sessions from the history. Raises UserError."""
    if bool(options.session) == bool(options.project):
        raise NothingChosenError("name a session, or a project with --project DIR")
    path = Paths.of(os.environ).history
    with _errors(path), _history(path) as connection:
        chosen = in_directory(connection, options.project) if options.project else _one(connection, options.session)
        what = counted(len(chosen), "session", "sessions")
        numbers = "and its numbers in all sums" if options.numbers else "but not its numbers"
        if not options.yes and not confirmed(f"Remove {what} from the history, {numbers}"):
            return FAILED
        removed = Recorder(connection).remove(chosen, with_steps=options.numbers)
    print(f"Removed {counted(removed, 'session', 'sessions')} with subagents")
    return OK


def _one(connection: sqlite3.Connection, prefix: str) -> list[str]:
    """Return the session with this id, or whose id begins so. Raises NothingChosenError."""
    found = with_prefix(connection, prefix)
    if prefix in found:
        return [prefix]
    if len(found) != 1:
        problem = "no session has" if not found else f"{len(found)} sessions have"
        raise NothingChosenError(f"{problem} an ID that begins with {prefix!r}")
    return found


def compact_history(options: argparse.Namespace) -> int:  # noqa: ARG001  # it has none
    """Give the space of removed rows back. Raises UserError."""
    path = Paths.of(os.environ).history
    with _errors(path):
        before = path.stat().st_size
        with _history(path) as connection:
            Recorder(connection).compact()
    print(f"{path}: {before / 1e6:.1f} MB before, {path.stat().st_size / 1e6:.1f} MB now")
    return OK


def back_up_history(options: argparse.Namespace) -> int:
    """Copy the database to a file. Raises UserError."""
    path, target = Paths.of(os.environ).history, Path(options.file)
    if target.exists():
        raise HistoryFailedError(f"{target} exists; name another file")
    with _errors(path):
        connection = open_for_reading(path)
        if connection is None:
            raise HistoryFailedError("nothing is recorded yet")
        with closing(connection):
            backup(connection, target)
    print(f"Copied the history to {target}")
    return OK


@contextmanager
def _history(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the history for writing; print it if a damaged one was replaced."""
    connection, problem = open_history(path)
    if problem:
        print(problem, file=sys.stderr)
    with closing(connection):
        yield connection


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (HistoryError, sqlite3.Error, OSError) as error:
        raise HistoryFailedError(f"cannot use the history {path}: {error}") from error
