"""The turns and requests of one session, with those of its subagents, from the history.

Functions raise sqlite3.Error. A history that does not exist is empty.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import msgspec

from tray.storage.history.text_table import PROMPT, REPLY, REQUEST
from tray.storage.history.usage import open_for_reading

MAX_ENTRIES = 500  # turns, and requests; the newest are returned


class Turn(msgspec.Struct, frozen=True):
    """A turn of the session. Times are in ms since the Unix epoch, money is in micro-dollars."""

    started: int
    ended: int
    outcome: str
    prompt: str
    reply: str
    steps: int = 0  # that ended in it, with those of subagents
    reported: int = 0
    estimated: int = 0


class AskedRequest(msgspec.Struct, frozen=True):
    """A permission or question of the session or of a subagent."""

    session: str
    kind: str
    title: str  # the tool, or the header of the question
    text: str
    asked: int
    closed: int  # 0: not known
    verdict: str
    surface: str  # where it was answered in the tray; "": elsewhere, or not answered


class Timeline(msgspec.Struct, frozen=True):
    """Both in the order of time."""

    turns: tuple[Turn, ...] = ()
    requests: tuple[AskedRequest, ...] = ()


_TREE = """WITH RECURSIVE tree(id) AS (
        SELECT id FROM session WHERE uid = :uid
        UNION SELECT session.id FROM tree JOIN session ON session.parent = tree.id)"""


def timeline(path: Path, uid: str) -> Timeline:
    """Return what is known of a session."""
    connection = open_for_reading(path)
    if connection is None:
        return Timeline()
    with closing(connection):
        turns = [Turn(*row) for row in connection.execute(_TURNS, {"uid": uid})][::-1]
        requests = [AskedRequest(*row) for row in connection.execute(_REQUESTS, {"uid": uid})][::-1]
        return Timeline(tuple(_with_usage(connection, uid, turns)), tuple(requests))


def _with_usage(connection: sqlite3.Connection, uid: str, turns: list[Turn]) -> Iterable[Turn]:
    """Add the steps that ended in each turn."""
    if not turns:
        return turns
    begins = [turn.started for turn in turns]
    sums = [[0, 0, 0] for _ in turns]
    steps = connection.execute(_STEPS, {"uid": uid, "begin": begins[0], "end": max(turn.ended for turn in turns)})
    for ended, reported, estimated in steps:
        number = bisect_right(begins, ended) - 1
        if ended <= turns[number].ended:
            sums[number][0] += 1
            sums[number][1] += reported or 0
            sums[number][2] += estimated or 0
    return [
        msgspec.structs.replace(turn, steps=steps, reported=reported, estimated=estimated)
        for turn, (steps, reported, estimated) in zip(turns, sums, strict=True)
    ]


def _text(kind: str, table: str) -> str:
    """Return an expression: the text of a kind of an item."""
    return f"""IFNULL((SELECT text FROM text WHERE text.session = {table}.session AND text.kind = '{kind}'
        AND text.item = {table}.id), '')"""


_TURNS = f"""SELECT started, ended, outcome, {_text(PROMPT, "turn")}, {_text(REPLY, "turn")} FROM turn
    WHERE session = (SELECT id FROM session WHERE uid = :uid) ORDER BY started DESC LIMIT {MAX_ENTRIES}"""
_REQUESTS = f"""{_TREE} SELECT uid, request.kind, request.title, {_text(REQUEST, "request")}, asked, closed, verdict,
    surface FROM tree CROSS JOIN request ON request.session = tree.id JOIN session ON session.id = tree.id
    ORDER BY asked DESC LIMIT {MAX_ENTRIES}"""
_STEPS = f"""{_TREE} SELECT ended, reported, estimated FROM tree CROSS JOIN step ON step.session = tree.id
    WHERE ended BETWEEN :begin AND :end AND NOT inherited"""
