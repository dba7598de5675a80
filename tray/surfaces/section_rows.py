"""The sections of sessions by state, and the order of the sessions in each. Used by the menu and the page."""

from __future__ import annotations

import msgspec

from tray.core.session_index import SessionIndex, SessionRow
from tray.core.sessions import Status


class Section(msgspec.Struct, frozen=True):
    """One section and its states, the most urgent first."""

    key: str
    name: str
    statuses: tuple[Status, ...]


NEEDS_YOU = Section("needs", "Needs you", (Status.WAITING_FOR_PERMISSION, Status.WAITING_FOR_ANSWER))
EXPANDED = (
    Section("failed", "Failed", (Status.ERROR,)),
    Section("working", "Working", (Status.RETRY, Status.BUSY)),
    Section("finished", "Finished", (Status.COMPLETED,)),
)
COLLAPSED = (
    Section("idle", "Idle", (Status.IDLE, Status.ABORTED)),
    Section("disconnected", "Disconnected", (Status.DISCONNECTED,)),
)


def section_rows(index: SessionIndex, section: Section, count: int | None = None) -> list[SessionRow]:
    """Return the first rows of a section: longest in their state first, but idle sessions newest first."""
    if section.key != "idle":
        return [row for status in section.statuses for row in index.oldest(status, count)][:count]
    most = index.total if count is None else count
    rows = [row for status in section.statuses for row in index.newest(status, most)]
    return sorted(rows, key=lambda row: -row.since)[:count]
