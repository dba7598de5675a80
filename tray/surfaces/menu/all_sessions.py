"""The submenu *All sessions*, sorted by project and title so that the order does not change with the state."""

from __future__ import annotations

from functools import partial

from tray.core.commands import OpenSession
from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex, SessionRow
from tray.core.text import shorten
from tray.surfaces.menu.items import Entry, Item, further, submenu
from tray.surfaces.menu.sections import PAGE, ViewOptions
from tray.surfaces.menu.session_menu import session_entries
from tray.surfaces.session_text import PROJECT, row_label, title

WITH_SUBMENUS = 60  # sessions that get a submenu each where every submenu has to be made with the menu

Projects = dict[str, list[SessionRow]]


class AllSessions:
    """The submenu *All sessions ▸ project ▸ session*. Every session is in it."""

    def __init__(self, fleet: Fleet, index: SessionIndex) -> None:
        self._fleet = fleet
        self._index = index

    def entry(self, view: ViewOptions) -> Item:
        """The row that opens it."""
        return submenu("all", "All sessions", ("all", "0"), partial(self._projects, 0, view), view.opened)

    def _projects(self, start: int, view: ViewOptions) -> tuple[Entry, ...]:
        projects: Projects = {}
        for row in self._index.rows():
            projects.setdefault(self._index.project(row), []).append(row)
        if len(projects) == 1:
            ((name, rows),) = projects.items()
            return self._sessions(name, sorted(rows, key=_by_title), 0, view)
        names = sorted(projects, key=lambda name: (name.casefold(), name))
        shown = tuple(self._project(name, projects[name], view) for name in names[start : start + PAGE])
        left = len(names) - start - len(shown)
        make = partial(self._projects, start + PAGE, view)
        return (*shown, *further(("all", str(start // PAGE + 1)), left, make, view.opened))

    def _project(self, name: str, rows: list[SessionRow], view: ViewOptions) -> Item:
        worst = min(rows, key=lambda row: row.status.urgency).status
        make = partial(self._sessions, name, sorted(rows, key=_by_title), 0, view)
        label = f"{shorten(name, PROJECT + 16)} ({len(rows)})"
        return submenu(f"project:{name}", label, ("project", name, "0"), make, view.opened, worst)

    def _sessions(self, project: str, rows: list[SessionRow], start: int, view: ViewOptions) -> tuple[Entry, ...]:
        shown = tuple(self._session(row, view) for row in rows[start : start + PAGE])
        make = partial(self._sessions, project, rows, start + PAGE, view)
        left = len(rows) - start - len(shown)
        return (*shown, *further(("project", project, str(start // PAGE + 1)), left, make, view.opened))

    def _session(self, row: SessionRow, view: ViewOptions) -> Item:
        label = row_label(row, view.at, view.columns)
        if view.opened.everything and self._index.total > WITH_SUBMENUS:
            return Item(row.session.id, label, OpenSession(row.key), mark=row.status)
        make = partial(session_entries, self._fleet, row, view.at)
        return submenu(row.session.id, label, ("session", row.session.id), make, view.opened, row.status)


def _by_title(row: SessionRow) -> tuple[str, str]:
    return title(row.session).casefold(), row.session.id
