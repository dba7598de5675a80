"""Read sums of usage from the history. Nothing here writes; a history that does not exist is empty."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from tray.files.reading import is_regular
from tray.storage.history.schema import VERSION

# By what usage can be grouped: the column, and the table that it is joined from.
GROUPS = {
    "": ("''", ""),
    "day": ("daily.day", ""),
    "model": ("model.name", "JOIN model ON model.id = daily.model"),
    "project": ("place.directory", "JOIN place ON place.id = daily.place"),
    "agent": ("agent.name", "JOIN agent ON agent.id = daily.agent"),
    "program": ("daily.kind", ""),
    "host": ("place.host", "JOIN place ON place.id = daily.place"),
}


class UsageSums(msgspec.Struct, frozen=True):
    """The usage of one group. Money is in micro-dollars; the two amounts are never added."""

    group: str | int
    steps: int = 0
    input: int = 0
    output: int = 0
    reasoning: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reported: int = 0
    estimated: int = 0
    unpriced: int = 0  # steps whose cost is not known
    duration: int = 0  # ms in which models worked, as far as it is known

    @property
    def tokens(self) -> int:
        """The tokens without those that were read from the cache."""
        return self.input + self.output + self.reasoning + self.cache_write

    @property
    def cache_hit(self) -> float:
        """The share of the input that was read from the cache."""
        total = self.cache_read + self.input + self.cache_write
        return self.cache_read / total if total else 0.0


def plain(sums: UsageSums) -> dict[str, int | float]:
    """Return the numbers of a group as JSON values: money in US dollars, exact to the micro-dollar; the time in s."""
    return {
        "steps": sums.steps,
        "tokens": sums.tokens,
        "input": sums.input,
        "output": sums.output,
        "reasoning": sums.reasoning,
        "cache_read": sums.cache_read,
        "cache_write": sums.cache_write,
        "cache_hit": round(sums.cache_hit, 4),
        "reported_cost": sums.reported / 1_000_000,
        "estimated_cost": sums.estimated / 1_000_000,
        "unpriced_steps": sums.unpriced,
        "model_time": sums.duration / 1000,
    }


def open_for_reading(path: Path) -> sqlite3.Connection | None:
    """Return a connection that cannot write; None if there is no history yet. Raises sqlite3.Error."""
    try:
        if not is_regular(path):  # opening a pipe blocks
            return None
    except OSError as error:
        raise sqlite3.OperationalError(f"cannot read {path}: {error.strerror}") from error
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2.0)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        connection.close()
        return None
    return connection


def usage(path: Path, first_day: int, last_day: int, group: str = "") -> list[UsageSums]:
    """Return the usage of local days (days since 1970-01-01), by a key of GROUPS. Raises sqlite3.Error."""
    connection = open_for_reading(path)
    if connection is None:
        return []
    sums = ", ".join(f"SUM(daily.{name})" for name in UsageSums.__struct_fields__[1:])
    column, join = GROUPS[group]
    query = f"SELECT {column}, {sums} FROM daily {join} WHERE day BETWEEN ? AND ? GROUP BY 1"
    with closing(connection):
        return [UsageSums(*row) for row in connection.execute(query, (first_day, last_day))]


def stored_tokens(path: Path, session_ids: list[str]) -> dict[str, int]:
    """Return the number of tokens of all steps of sessions, by session id. Raises sqlite3.Error."""
    connection = open_for_reading(path)
    if connection is None:
        return {}
    query = """SELECT uid, input + output + reasoning + cache_read + cache_write FROM total
        JOIN session ON session.id = total.session WHERE uid IN (SELECT value FROM json_each(?))"""
    with closing(connection):
        return dict(connection.execute(query, (json.dumps(session_ids),)))


def imported_until(path: Path) -> dict[str, int]:
    """Return up to which time (ms since the Unix epoch) each source has been imported. Raises sqlite3.Error."""
    connection = open_for_reading(path)
    if connection is None:
        return {}
    with closing(connection):
        return dict(connection.execute("SELECT source, until FROM import"))


def active_roots(path: Path, first_day: int, last_day: int) -> int:
    """Return how many root sessions have steps of these days, of their own or of subagents. Raises sqlite3.Error."""
    connection = open_for_reading(path)
    if connection is None:
        return 0
    query = """WITH RECURSIVE up(id, parent) AS (
            SELECT session.id, session.parent FROM session
            WHERE session.id IN (SELECT session FROM step WHERE day BETWEEN ? AND ? AND NOT inherited)
            UNION SELECT session.id, session.parent FROM session JOIN up ON session.id = up.parent
        ) SELECT count(*) FROM up WHERE parent IS NULL"""
    with closing(connection):
        return int(connection.execute(query, (first_day, last_day)).fetchone()[0])
