"""The submenu *All sessions*, sorted by project and title so that the order does not change with the state."""

from __future__ import annotations

from functools import partial

from tray.core.commands import OpenSession
from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex, SessionRow
from tray.core.text import shorten
from tray.surfaces.menu.items import Entry, Item, lazy_submenu, next_page
from tray.surfaces.menu.sections import PAGE_SIZE, MenuContext
from tray.surfaces.menu.session_menu import session_entries
from tray.surfaces.session_text import PROJECT_COLUMNS, row_label, title

MAX_BUILT_SUBMENUS = 60  # sessions that get a submenu each where all submenus are built with the menu

Projects = dict[str, list[SessionRow]]


class AllSessions:
    """Builds the submenu *All sessions ▸ project ▸ session*, which contains every session."""

    def __init__(self, fleet: Fleet, index: SessionIndex) -> None:
        self._fleet = fleet
        self._index = index

    def entry(self, context: MenuContext) -> Item:
        """Return the row that opens the submenu."""
        build = partial(self._projects, 0, context)
        return lazy_submenu("all", "All sessions", ("all", "0"), build, context.open_submenus)

    def _projects(self, start: int, context: MenuContext) -> tuple[Entry, ...]:
        projects: Projects = {}
        for row in self._index.rows():
            projects.setdefault(self._index.project(row), []).append(row)
        if len(projects) == 1:
            ((name, rows),) = projects.items()
            return self._sessions(name, sorted(rows, key=_by_title), 0, context)
        names = sorted(projects, key=lambda name: (name.casefold(), name))
        page = tuple(self._project(name, projects[name], context) for name in names[start : start + PAGE_SIZE])
        remaining = len(names) - start - len(page)
        build = partial(self._projects, start + PAGE_SIZE, context)
        return (*page, *next_page(("all", str(start // PAGE_SIZE + 1)), remaining, build, context.open_submenus))

    def _project(self, name: str, rows: list[SessionRow], context: MenuContext) -> Item:
        worst = min(rows, key=lambda row: row.status.urgency).status
        build = partial(self._sessions, name, sorted(rows, key=_by_title), 0, context)
        label = f"{shorten(name, PROJECT_COLUMNS + 16)} ({len(rows)})"
        return lazy_submenu(f"project:{name}", label, ("project", name, "0"), build, context.open_submenus, worst)

    def _sessions(self, project: str, rows: list[SessionRow], start: int, context: MenuContext) -> tuple[Entry, ...]:
        page = tuple(self._session(row, context) for row in rows[start : start + PAGE_SIZE])
        build = partial(self._sessions, project, rows, start + PAGE_SIZE, context)
        remaining = len(rows) - start - len(page)
        submenu_id = ("project", project, str(start // PAGE_SIZE + 1))
        return (*page, *next_page(submenu_id, remaining, build, context.open_submenus))

    def _session(self, row: SessionRow, context: MenuContext) -> Item:
        agent = row.server.agent_kind.short_title if context.names_agents else ""
        label = row_label(row, context.at, context.columns, agent=agent)
        if context.open_submenus.all_open and self._index.total > MAX_BUILT_SUBMENUS:
            return Item(row.session.id, label, OpenSession(row.key), mark=row.status)
        build = partial(session_entries, self._fleet, row, context.at)
        submenu_id = ("session", row.session.id)
        return lazy_submenu(row.session.id, label, submenu_id, build, context.open_submenus, row.status)


def _by_title(row: SessionRow) -> tuple[str, str]:
    return title(row.session).casefold(), row.session.id
