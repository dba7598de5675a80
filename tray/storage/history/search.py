"""Find root sessions in the history: the newest, or those in which a text occurs.

All functions raise sqlite3.Error. A history that does not exist is empty.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tray.storage.history.analytics import TOKENS
from tray.storage.history.schema import REMOVED
from tray.storage.history.text_table import NOTE
from tray.storage.history.usage import open_for_reading

PAGE = 50  # sessions that are returned at most
HITS_SHOWN = 3  # of a session
MAX_CHOICES = 200  # projects and tags that can be chosen from
MIN_INDEXED = 3  # characters; shorter words are not in the index

_FILTERS = {
    "project": "directory = :project",
    "host": "host = :host",
    "program": "session.kind = :program",
    "tag": "EXISTS (SELECT 1 FROM tag WHERE tag.session = session.id AND name = :tag)",
}
_UP = """up(id, parent) AS (
        SELECT id, parent FROM session WHERE id IN (SELECT session FROM text WHERE {matches})
        UNION SELECT session.id, session.parent FROM up JOIN session ON session.id = up.parent)"""


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
        words = _words_of(query.text)
        rows = _rows(connection, query, words)
        return _found(connection, rows, _hits(connection, [row[0] for row in rows], words) if words else {})


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
        tags = connection.execute(
            f"""SELECT DISTINCT name FROM tag JOIN session ON session.id = tag.session
            WHERE parent IS NULL ORDER BY name COLLATE NOCASE LIMIT {MAX_CHOICES}"""
        )
        return Choices(tuple(name for (name,) in projects), tuple(name for (name,) in tags))


_SELECT = """SELECT session.id, uid, title, directory, session.kind, host, created, touched, deleted > 0, pinned
    FROM session JOIN place ON place.id = session.place"""


def _rows(connection: sqlite3.Connection, query: SessionQuery, words: _Words | None) -> list[Any]:
    parameters: dict[str, Any] = msgspec.structs.asdict(query)
    conditions = ["parent IS NULL", f"deleted < {REMOVED}", "(touched > 0 OR title != '')"]
    conditions += [condition for name, condition in _FILTERS.items() if parameters[name] is not None]
    if query.pinned:
        conditions.append("pinned")
    if query.after is not None:
        conditions.append("(touched, session.id) < (:touched, :last)")
        parameters["touched"], parameters["last"] = query.after
    start = ""
    if words is not None:
        start = f"WITH RECURSIVE {_UP.format(matches=words.condition)}"
        conditions.append("session.id IN (SELECT id FROM up WHERE parent IS NULL)")
        parameters |= words.parameters
    order = f"ORDER BY touched DESC, session.id DESC LIMIT {PAGE}"
    return connection.execute(f"{start} {_SELECT} WHERE {' AND '.join(conditions)} {order}", parameters).fetchall()


class _Words(NamedTuple):
    """A condition on rows of `text`, in which all words occur, with its parameters."""

    condition: str
    parameters: dict[str, Any]


def _words_of(text: str) -> _Words | None:
    """Return the condition for the words of a text; None if it has none."""
    words = text.replace("\0", " ").split()  # SQLite's patterns end at a NUL
    indexed = [word for word in words if len(word) >= MIN_INDEXED]
    conditions, parameters = [], {}
    if indexed:
        conditions.append("text.id IN (SELECT rowid FROM search WHERE search MATCH :words)")
        parameters["words"] = " ".join(map(_quoted, indexed))
    for number, word in enumerate(word for word in words if word not in indexed):
        conditions.append(f"text.text LIKE :word{number} ESCAPE '!'")
        parameters[f"word{number}"] = f"%{_escaped(word)}%"
    return _Words(" AND ".join(conditions), parameters) if conditions else None


def _hits(connection: sqlite3.Connection, roots: list[int], words: _Words) -> dict[int, list[Hit]]:
    """Return the newest texts with all words of each session, or of its subagents."""
    query = f"""WITH RECURSIVE tree(root, id) AS (
            SELECT value, value FROM json_each(:roots)
            UNION SELECT tree.root, session.id FROM tree JOIN session ON session.parent = tree.id
        ), hit AS (
            SELECT root, kind, at, text, row_number() OVER (PARTITION BY root ORDER BY at DESC, text.id DESC) AS number
            FROM tree CROSS JOIN text ON text.session = tree.id WHERE {words.condition}
        ) SELECT root, kind, at, text FROM hit WHERE number <= {HITS_SHOWN} ORDER BY number"""
    found: dict[int, list[Hit]] = {}
    for root, *hit in connection.execute(query, {**words.parameters, "roots": json.dumps(roots)}):
        found.setdefault(root, []).append(Hit(*hit))
    return found


def _quoted(word: str) -> str:
    """Return a word as a string of an FTS5 query."""
    return '"' + word.replace('"', '""') + '"'


def _escaped(word: str) -> str:
    return word.replace("!", "!!").replace("%", "!%").replace("_", "!_")


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
        texts = notes.get(number, ""), tuple(tags.get(number, ())), tuple(hits.get(number, ()))
        values: tuple[Any, ...] = (*row, *sums[number], *texts)
        found.append(FoundSession(*values))
    return found


_TREE_SUMS = f"""WITH RECURSIVE tree(root, id) AS (
        SELECT value, value FROM json_each(?)
        UNION SELECT tree.root, session.id FROM tree JOIN session ON session.parent = tree.id
    ) SELECT root, IFNULL(SUM({TOKENS}), 0), IFNULL(SUM(reported), 0), IFNULL(SUM(estimated), 0)
    FROM tree LEFT JOIN total ON total.session = tree.id GROUP BY root"""
