"""The sessions as `status` shows them to a person: one row for each root session, who waits first."""

from __future__ import annotations

from typing import Any

from tray.core.fleet import Fleet
from tray.core.session_index import EVERYTHING, SessionIndex, SessionRow
from tray.core.summary import summarize
from tray.core.text import age, clean, shorten
from tray.surfaces.session_text import MARKS, STATUS_NAMES, reason, request_text, title

TEXT = 300  # columns of anything; the terminal cuts the rest
SHORTEST = 8  # characters of the beginning of an id


def overview(fleet: Fleet, index: SessionIndex, at: int) -> dict[str, Any]:
    """A line with the sums, and the rows, each with the shortest beginning of its id that names it alone."""
    beginnings = _beginnings({key.session for key in fleet.sessions})
    rows = sorted(index.rows(), key=lambda row: (row.status.urgency, row.since))
    return {
        "tooltip": summarize(index).tooltip,
        "muted": EVERYTHING in fleet.mutes,
        "rows": [_row(row, index.project(row), beginnings[row.session.id], at) for row in rows],
    }


def _row(row: SessionRow, project: str, beginning: str, at: int) -> dict[str, Any]:
    waits = row.status.needs_person
    return {
        "id": clean(beginning),
        "status": row.status.value,
        "mark": MARKS[row.status],
        "project": shorten(project, TEXT),
        "title": shorten(title(row.session), TEXT),
        "reason": STATUS_NAMES[row.status] if waits else shorten(reason(row, at), TEXT) or STATUS_NAMES[row.status],
        "age": age(at - row.since),
        "requests": [
            {"id": clean(request.id), "text": shorten(request_text(request), TEXT)} for request in row.requests
        ],
    }


def _beginnings(names: set[str]) -> dict[str, str]:
    """For each name the shortest beginning that no other name has; the whole name where another one begins with it."""
    ordered = ["", *sorted(names), ""]
    found = {}
    for before, name, after in zip(ordered, ordered[1:], ordered[2:], strict=False):
        found[name] = name[: max(SHORTEST, _shared(before, name) + 1, _shared(name, after) + 1)]
    return found


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    differs = (number for number, (left, right) in enumerate(zip(one, other, strict=False)) if left != right)
    return next(differs, min(len(one), len(other)))
