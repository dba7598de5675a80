"""Questions about work that turns, requests and sessions answer: when, how it ended, and who waited for whom.

All functions raise sqlite3.Error. A history that does not exist is empty.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from statistics import median

import msgspec

from tray.core.history import TurnOutcome
from tray.storage.history.analytics import TOKENS, each_row, rows
from tray.storage.history.schema import REMOVED
from tray.storage.history.selection import Selection, midnight

MAX_SESSIONS = 50
MAX_KINDS = 15  # of files
ORDERS = {"newest": "last DESC, root.uid", "cost": "max(reported, estimated) DESC, tokens DESC, root.uid"}
THURSDAY = 3  # the weekday of 1970-01-01; Monday is 0
MAX_CHANGE = 8  # quarters of an hour by which a clock is changed at most
QUARTER = 900_000  # ms: the offset of each time zone is a multiple of it

_ROOTS = """up(id, parent) AS ({active} UNION SELECT session.id, session.parent
    FROM up JOIN session ON session.id = up.parent)"""


class Waits(msgspec.Struct, frozen=True):
    """How long requests waited, in ms."""

    answers: int = 0  # requests that the user has answered
    answer_time: int | None = None  # the median of their times
    waited: int = 0  # time in which a turn had an open request


class FileKind(msgspec.Struct, frozen=True):
    """How often files with an extension were changed, and by how many lines."""

    extension: str
    edits: int
    added: int
    removed: int


class TopSession(msgspec.Struct, frozen=True):
    """A root session with the sums of its whole tree. Money is in micro-dollars."""

    id: str
    title: str
    project: str
    program: str
    host: str
    is_removed: int  # 1: the user removed its text from the history
    last: int  # the latest time that is known of it, in ms since the Unix epoch
    steps: int
    tokens: int
    reported: int
    estimated: int


def active_sessions(path: Path, selection: Selection) -> int:
    """Return the number of root sessions that worked, or whose subagents did."""
    query = f"WITH RECURSIVE {_ROOTS.format(active=selection.active)} SELECT COUNT(*) FROM up WHERE parent IS NULL"
    return sum(number for (number,) in rows(path, query, selection.parameters))


def outcomes(path: Path, selection: Selection) -> dict[str, int] | None:
    """Return how many turns ended in each way; None for a model: turns have none."""
    if selection.model is not None:
        return None
    names = [outcome.value for outcome in TurnOutcome]
    counts = ", ".join(f"IFNULL(SUM(outcome = '{name}'), 0)" for name in names)
    found = rows(path, f"SELECT {counts} FROM {selection.turns}", selection.parameters)
    return dict(zip(names, found[0] if found else [0] * len(names), strict=True))


def waits(path: Path, selection: Selection) -> Waits | None:
    """Return how long requests waited; None for a model: requests have none."""
    if selection.model is not None:
        return None
    times = array("q")

    def spans() -> Iterator[tuple[int, int, int]]:
        for session, begin, end, time, is_answered in each_row(path, _requests(selection), selection.parameters):
            if is_answered:
                times.append(time)
            if begin is not None:
                yield session, begin, end

    waited = _covered(spans())
    return Waits(len(times), round(median(times)) if times else None, waited)


def _requests(selection: Selection) -> str:
    """Return a query of closed requests, sorted, each with its part of the turn that it was closed in or after."""
    join = "JOIN session ON session.id = request.session" if selection.is_of_place else ""
    last_turn = """SELECT {} FROM turn WHERE turn.session = IFNULL(root, request.session) AND started < closed
        ORDER BY started DESC LIMIT 1"""
    return f"""WITH RECURSIVE up(id, ancestor) AS (
            SELECT id, parent FROM session WHERE parent IS NOT NULL
            UNION SELECT up.id, session.parent FROM up JOIN session ON session.id = up.ancestor
            WHERE session.parent IS NOT NULL
        ), subagent(id, root) AS MATERIALIZED (
            SELECT up.id, ancestor FROM up JOIN session ON session.id = ancestor WHERE session.parent IS NULL
        ) SELECT IFNULL(root, request.session), max(asked, ({last_turn.format("started")})),
        min(closed, ({last_turn.format("ended")})), closed - asked, verdict != '' OR surface != ''
        FROM request {join} LEFT JOIN subagent ON subagent.id = request.session
        WHERE closed >= :begin AND closed < :end AND asked > 0 AND closed >= asked AND {selection.of("session")}
        ORDER BY 1, 2, 3"""


def _covered(spans: Iterable[tuple[int, int, int]]) -> int:
    """Return the time that sorted intervals of sessions cover. Those that end before they begin are empty."""
    covered, current, until = 0, -1, 0
    for session, begin, end in spans:
        if session != current:
            current, until = session, begin
        since = max(begin, until)
        if end > since:
            covered += end - since
            until = end
    return covered


def hours(path: Path, selection: Selection) -> list[list[int]] | None:
    """Return the number of turns by weekday (Monday first) and local hour of their start; None for a model."""
    if selection.model is not None:
        return None
    found = [[0] * 24 for _ in range(7)]
    query = f"SELECT started / {QUARTER}, COUNT(*) FROM {selection.turns} GROUP BY 1"
    for quarter, turns in rows(path, query, selection.parameters):
        weekday, hour = _hour_of(quarter)
        found[weekday][hour] += turns
    return found


def _hour_of(quarter: int) -> tuple[int, int]:
    at = datetime.fromtimestamp(quarter * QUARTER // 1000)  # noqa: DTZ006  # local by intent
    return at.weekday(), at.hour


def _quarters(selection: Selection, hour: tuple[int, int]) -> list[int]:
    """Return the quarters of an hour of a weekday. A turn of the selection began at most a week before it."""
    quarters = []
    for day in range(selection.first - 7, selection.last + 1):
        if (day + THURSDAY) % 7 != hour[0]:
            continue
        first = midnight(day) // QUARTER + hour[1] * 4
        near = range(first - MAX_CHANGE, first + 4 + MAX_CHANGE)  # the clock may be changed on that day
        quarters += [quarter for quarter in near if _hour_of(quarter) == hour]
    return quarters


def file_kinds(path: Path, selection: Selection) -> list[FileKind] | None:
    """Return the kinds of files that were changed most often, at most MAX_KINDS; None for a model: edits have none."""
    if selection.model is not None:
        return None
    join = "JOIN session ON session.id = edit.session" if selection.is_of_place else ""
    query = f"""SELECT extension, COUNT(*), SUM(added), SUM(removed) FROM edit {join}
        WHERE edit.day BETWEEN :first AND :last AND {selection.of("session")}
        GROUP BY extension ORDER BY 2 DESC, extension LIMIT {MAX_KINDS}"""
    return [FileKind(*row) for row in rows(path, query, selection.parameters)]


def top_sessions(
    path: Path, selection: Selection, order: str = "newest", hour: tuple[int, int] | None = None
) -> list[TopSession]:
    """Return at most MAX_SESSIONS root sessions that worked, by a key of ORDERS.

    With a weekday (0: Monday) and hour, only those with a turn that started then.
    """
    parameters, started = selection.parameters, ""
    if hour is not None:
        parameters["quarters"] = json.dumps(_quarters(selection, hour))
        started = f"""AND id IN (SELECT turn.session FROM {selection.turns}
            AND started / {QUARTER} IN (SELECT value FROM json_each(:quarters)))"""
    query = f"""WITH RECURSIVE {_ROOTS.format(active=selection.active)}, tree(root, id) AS (
            SELECT id, id FROM up WHERE parent IS NULL {started}
            UNION ALL SELECT tree.root, session.id FROM tree JOIN session ON session.parent = tree.id
        ), sums(root, last, steps, tokens, reported, estimated) AS (
            SELECT root, MAX(touched),
            IFNULL(SUM(steps), 0), IFNULL(SUM({TOKENS}), 0), IFNULL(SUM(reported), 0), IFNULL(SUM(estimated), 0)
            FROM tree JOIN session ON session.id = tree.id LEFT JOIN total ON total.session = tree.id GROUP BY root
        ) SELECT root.uid, title, directory, root.kind, host, deleted >= {REMOVED}, last, steps, tokens, reported,
        estimated FROM sums JOIN session root ON root.id = sums.root JOIN place ON place.id = root.place
        ORDER BY {ORDERS[order]} LIMIT {MAX_SESSIONS}"""
    found = rows(path, query, parameters)
    return [TopSession(*row) for row in found]
