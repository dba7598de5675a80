"""The steps of a selection as CSV, or as one JSON object for each line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from tray.storage.history.selection import Selection
from tray.storage.history.usage import open_for_reading

CHUNK = 500  # steps of one text
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes a cell that begins so for a formula

COLUMNS = (
    "id", "session", "root", "title", "program", "host", "directory", "model", "agent", "day", "created", "ended",
    "input", "output", "reasoning", "cache_read", "cache_write", "reported_microdollars", "estimated_microdollars",
    "failed",
)  # fmt: skip

_STEPS = """WITH RECURSIVE up(id, ancestor) AS (
        SELECT id, id FROM session
        UNION SELECT up.id, session.parent FROM up JOIN session ON session.id = up.ancestor
        WHERE session.parent IS NOT NULL
    ), root(id, root) AS (
        SELECT up.id, ancestor FROM up JOIN session ON session.id = up.ancestor WHERE session.parent IS NULL
    ) SELECT step.id, session.uid, top.uid, session.title, session.kind, host, directory, model.name, agent.name,
        date(step.day * 86400, 'unixepoch'), step.created, ended, input, output, reasoning, cache_read, cache_write,
        reported, estimated, failed
    FROM step JOIN session ON session.id = step.session JOIN root ON root.id = session.id
    JOIN session top ON top.id = root.root JOIN place ON place.id = session.place
    JOIN model ON model.id = step.model JOIN agent ON agent.id = step.agent
    WHERE {steps} ORDER BY ended, step.id"""


def exported_steps(path: Path, selection: Selection) -> Generator[dict[str, Any]]:
    """Yield the steps of a selection, the oldest first. Raises sqlite3.Error."""
    connection = open_for_reading(path)
    if connection is None:
        return
    with closing(connection):
        for row in connection.execute(_STEPS.format(steps=selection.steps), selection.parameters):
            yield dict(zip(COLUMNS, row, strict=True))


def csv_texts(steps: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Yield steps as CSV with a header: CHUNK of them in each text.

    A text that a spreadsheet would take for a formula begins with an apostrophe: titles are not the user's own words.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    while True:
        writer.writerows([_cell(value) for value in step.values()] for step in islice(steps, CHUNK))
        if not text.tell():
            return
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def json_texts(steps: Iterator[dict[str, Any]]) -> Iterator[str]:
    """Yield steps as JSON Lines: CHUNK of them in each text."""
    while lines := "".join(json.dumps(step, ensure_ascii=False) + "\n" for step in islice(steps, CHUNK)):
        yield lines
