"""Find root sessions in the history: the newest, or those in which a text occurs.

All functions raise sqlite3.Error. A history that does not exist is empty.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from tray.storage.history.analytics import TOKENS
from tray.storage.history.schema import REMOVED
from tray.storage.history.text_table import NOTE
from tray.storage.history.usage import open_for_reading

PAGE = 50  # sessions that are returned at most
MAX_HITS = 500  # the newest texts that are looked at
HITS_SHOWN = 3  # of a session
MAX_CHOICES = 200  # projects and tags that can be chosen from
MIN_INDEXED = 3  # characters; shorter words are not in the index

_FILTERS = {
    "project": "directory = :project",
    "host": "host = :host",
    "program": "session.kind = :program",
    "tag": "EXISTS (SELECT 1 FROM tag WHERE tag.session = session.id AND name = :tag)",
}
_UP = """up(start, id, parent) AS (
        SELECT session.id, session.id, parent FROM session WHERE {start}
        UNION SELECT up.start, session.id, session.parent FROM up JOIN session ON session.id = up.parent)"""


class SessionQuery(msgspec.Struct, frozen=True):
    """What sessions are looked for. None selects everything."""

    text: str = ""  # words that all occur in one text of the session or of a subagent
    project: str | None = None  # a directory
    host: str | None = None
    program: str | None = None
    tag: str | None = None
    pinned: bool = False  # only pinned ones
    after: tuple[int, int] | None = None  # the `position` of the last session of the page before


class Hit(msgspec.Struct, frozen=True):
    """A text in which all words occur."""

    kind: str  # one of text_table.KINDS
    at: int  # ms since the Unix epoch; 0: not known
    text: str


class FoundSession(msgspec.Struct, frozen=True):
    """A root session. Its sums are those of the whole tree; money is in micro-dollars."""

    number: int  # of its row
    id: str
    title: str
    project: str
    program: str
    host: str
    created: int
    touched: int  # the latest time that is known of it, in ms since the Unix epoch
    is_deleted: int  # 1: the agent has deleted it
    is_pinned: int
    tokens: int
    reported: int
    estimated: int
    note: str
    tags: tuple[str, ...]
    hits: tuple[Hit, ...]

    @property
    def position(self) -> tuple[int, int]:
        """Where the next page begins, for `SessionQuery.after`."""
        return self.touched, self.number


class Choices(msgspec.Struct, frozen=True):
    """What sessions can be filtered by."""

    projects: tuple[str, ...] = ()  # the most recent first
    tags: tuple[str, ...] = ()


def find_sessions(path: Path, query: SessionQuery) -> list[FoundSession]:
    """Return at most PAGE sessions, the most recent first."""
    connection = open_for_reading(path)
    if connection is None:
        return []
    with closing(connection):
        hits = _hits(connection, query.text) if query.text.split() else None
        rows = _rows(connection, query, hits)
        return _found(connection, rows, hits or {})


def find_session(path: Path, uid: str) -> FoundSession | None:
    """Return a session; None if it is not known or its texts were removed."""
    connection = open_for_reading(path)
    if connection is None:
        return None
    with closing(connection):
        where = f"uid = ? AND deleted < {REMOVED}"
        rows = connection.execute(f"{_SELECT} WHERE {where}", (uid,)).fetchall()
        return next(iter(_found(connection, rows, {})), None)


def choices(path: Path) -> Choices:
    """Return the projects and tags of all sessions."""
    connection = open_for_reading(path)
    if connection is None:
        return Choices()
    with closing(connection):
        projects = connection.execute(
            f"""SELECT directory FROM session JOIN place ON place.id = session.place
            WHERE parent IS NULL AND deleted < {REMOVED} AND directory != ''
            GROUP BY directory ORDER BY MAX(touched) DESC LIMIT {MAX_CHOICES}"""
        )
        tags = connection.execute(f"SELECT DISTINCT name FROM tag ORDER BY name COLLATE NOCASE LIMIT {MAX_CHOICES}")
        return Choices(tuple(name for (name,) in projects), tuple(name for (name,) in tags))


_SELECT = """SELECT session.id, uid, title, directory, session.kind, host, created, touched, deleted > 0, pinned
    FROM session JOIN place ON place.id = session.place"""


def _rows(connection: sqlite3.Connection, query: SessionQuery, hits: dict[int, list[Hit]] | None) -> list[Any]:
    parameters: dict[str, Any] = msgspec.structs.asdict(query)
    conditions = ["parent IS NULL", f"deleted < {REMOVED}", "(touched > 0 OR title != '')"]
    conditions += [condition for name, condition in _FILTERS.items() if parameters[name] is not None]
    if query.pinned:
        conditions.append("pinned")
    if query.after is not None:
        conditions.append("(touched, session.id) < (:touched, :last)")
        parameters["touched"], parameters["last"] = query.after
    if hits is not None:
        conditions.append("session.id IN (SELECT value FROM json_each(:hits))")
        parameters["hits"] = json.dumps(list(hits))
    del parameters["after"]
    order = f"ORDER BY touched DESC, session.id DESC LIMIT {PAGE}"
    return connection.execute(f"{_SELECT} WHERE {' AND '.join(conditions)} {order}", parameters).fetchall()


def _hits(connection: sqlite3.Connection, text: str) -> dict[int, list[Hit]]:
    """Return the newest texts with all words, by root session."""
    words = text.split()
    if all(len(word) >= MIN_INDEXED for word in words):
        condition, values = "search MATCH ?", [" ".join(_quoted(word) for word in words)]
        source = "search JOIN text ON text.id = search.rowid"
    else:
        values = [f"%{_escaped(word)}%" for word in words]
        condition, source = " AND ".join("text.text LIKE ? ESCAPE '!'" for _ in words), "text"
    query = f"""SELECT text.session, text.kind, at, text.text FROM {source} WHERE {condition}
        ORDER BY {source.split()[0]}.rowid DESC LIMIT {MAX_HITS}"""
    found: dict[int, list[Hit]] = {}
    rows = connection.execute(query, values).fetchall()
    roots = _roots(connection, {row[0] for row in rows})
    for session, *hit in rows:
        found.setdefault(roots[session], []).append(Hit(*hit))
    return found


def _quoted(word: str) -> str:
    """Return a word as a string of an FTS5 query."""
    return '"' + word.replace('"', '""') + '"'


def _escaped(word: str) -> str:
    return word.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _roots(connection: sqlite3.Connection, sessions: Iterable[int]) -> dict[int, int]:
    """Return the root of each session."""
    start = "session.id IN (SELECT value FROM json_each(?))"
    query = f"WITH RECURSIVE {_UP.format(start=start)} SELECT start, id FROM up WHERE parent IS NULL"
    known = {each: each for each in sessions}
    return known | dict(connection.execute(query, (json.dumps(list(known)),)))


def _found(connection: sqlite3.Connection, rows: list[Any], hits: dict[int, list[Hit]]) -> list[FoundSession]:
    ids = json.dumps([row[0] for row in rows])
    sums = {row[0]: row[1:] for row in connection.execute(_TREE_SUMS, (ids,))}
    chosen = "session IN (SELECT value FROM json_each(?))"
    notes = dict(connection.execute(f"SELECT session, text FROM text WHERE kind = '{NOTE}' AND {chosen}", (ids,)))
    tags: dict[int, list[str]] = {}
    for session, name in connection.execute(f"SELECT session, name FROM tag WHERE {chosen} ORDER BY name", (ids,)):
        tags.setdefault(session, []).append(name)
    found = []
    for row in rows:
        number: int = row[0]
        texts = notes.get(number, ""), tuple(tags.get(number, ())), tuple(hits.get(number, ())[:HITS_SHOWN])
        values: tuple[Any, ...] = (*row, *sums[number], *texts)
        found.append(FoundSession(*values))
    return found


_TREE_SUMS = f"""WITH RECURSIVE tree(root, id) AS (
        SELECT value, value FROM json_each(?)
        UNION SELECT tree.root, session.id FROM tree JOIN session ON session.parent = tree.id
    ) SELECT root, IFNULL(SUM({TOKENS}), 0), IFNULL(SUM(reported), 0), IFNULL(SUM(estimated), 0)
    FROM tree LEFT JOIN total ON total.session = tree.id GROUP BY root"""
