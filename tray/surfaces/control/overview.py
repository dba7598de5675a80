"""The sessions as `status` prints them: one row for each root session, the most urgent first."""

from __future__ import annotations

from typing import Any

from tray.core.fleet import Fleet
from tray.core.session_index import EVERYTHING, SessionIndex, SessionRow
from tray.core.summary import summarize
from tray.core.text import age, clean, shorten
from tray.surfaces.session_text import MARKS, STATUS_NAMES, reason, request_text, title

MAX_WIDTH = 300  # columns of a text; the terminal cuts it further
MIN_ID = 8  # characters of an ID


def overview(fleet: Fleet, index: SessionIndex, at: int, exposed: str = "") -> dict[str, Any]:
    """Return the summary line and the rows. IDs are cut to the shortest unique start. `at`: now, in ms.

    `exposed`: how long the internet can reach the page; "": it cannot.
    """
    short_ids = _short_ids({key.session for key in fleet.sessions})
    rows = sorted(index.rows(), key=lambda row: (row.status.urgency, row.since))
    return {
        "tooltip": summarize(index).tooltip,
        "muted": EVERYTHING in fleet.mutes,
        "exposed": exposed,
        "rows": [_row(row, index.project(row), short_ids[row.session.id], at) for row in rows],
    }


def _row(row: SessionRow, project: str, short_id: str, at: int) -> dict[str, Any]:
    status = STATUS_NAMES[row.status]
    return {
        "id": clean(short_id),
        "status": row.status.value,
        "symbol": MARKS[row.status],
        "project": shorten(project, MAX_WIDTH),
        "title": shorten(title(row.session), MAX_WIDTH),
        "reason": status if row.status.needs_user else shorten(reason(row, at), MAX_WIDTH) or status,
        "age": age(at - row.since),
        "requests": [
            {"id": clean(request.id), "text": shorten(request_text(request), MAX_WIDTH)} for request in row.waiting
        ],
    }


def _short_ids(ids: set[str]) -> dict[str, str]:
    """Map each ID to the shortest start that no other ID has; to itself if another ID starts with it."""
    ordered = ["", *sorted(ids), ""]
    found = {}
    for before, id_, after in zip(ordered, ordered[1:], ordered[2:], strict=False):
        found[id_] = id_[: max(MIN_ID, _common_prefix(before, id_) + 1, _common_prefix(id_, after) + 1)]
    return found


def _common_prefix(first: str, second: str) -> int:
    """Return the length of the common prefix."""
    differences = (n for n, (left, right) in enumerate(zip(first, second, strict=False)) if left != right)
    return next(differences, min(len(first), len(second)))
