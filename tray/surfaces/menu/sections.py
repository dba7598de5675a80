"""The sections of the menu: session rows by state, as many as the screen has room for, the others in submenus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import msgspec

from tray.core.commands import OpenSession
from tray.core.session_index import SessionIndex, SessionRow
from tray.core.text import age, shorten
from tray.surfaces.menu.answer_menu import answer_entry
from tray.surfaces.menu.items import Entry, Item, OpenSubmenus, lazy_submenu, next_page
from tray.surfaces.section_rows import COLLAPSED, EXPANDED, NEEDS_YOU, Section, section_rows
from tray.surfaces.session_text import PROJECT_COLUMNS, row_label, stall

MAX_REQUESTS = 3  # shown below one row; the others are in a submenu
PAGE_SIZE = 25  # rows of a submenu; its last row opens the next page
GROUP_SIZE = 3  # rows of one project that get a heading
GROUPED_ABOVE = 8  # rows of a section above which projects get headings
MIN_ROWS = 3  # rows that an expanded section needs room for; with less room it collapses to a submenu


class MenuContext(msgspec.Struct, frozen=True):
    """What all rows of one view depend on."""

    at: int  # ms since the epoch: the time of the view
    open_submenus: OpenSubmenus
    columns: int  # of a row
    names_agents: bool = False  # whether rows name the agent: more than one kind runs


class EntryCache:
    """Keeps entries from one view to the next, so that only those whose inputs changed are built again."""

    def __init__(self) -> None:
        self._previous: dict[tuple[str, ...], tuple[object, tuple[Entry, ...]]] = {}  # key -> (inputs, entries)
        self._current: dict[tuple[str, ...], tuple[object, tuple[Entry, ...]]] = {}

    def start_view(self) -> None:
        """Start a new view. Entries that the previous view did not use are dropped."""
        self._previous, self._current = self._current, {}

    def get(self, key: tuple[str, ...], inputs: object, build: Callable[[], tuple[Entry, ...]]) -> tuple[Entry, ...]:
        """Return the entries of this key, built only if `inputs` differ from those of the previous view."""
        cached = self._previous.get(key)
        entry = cached if cached is not None and cached[0] == inputs else (inputs, build())
        self._current[key] = entry
        return entry[1]


class Sections:
    """Builds the sections of each view."""

    def __init__(self, index: SessionIndex, cache: EntryCache) -> None:
        self._index = index
        self._cache = cache

    def entries(self, context: MenuContext, lines: int) -> tuple[Entry, ...]:
        """Return all sections in at most `lines` rows, or in the fewest rows possible.

        Sessions that wait for the user get their rows first.
        """
        collapsed = [self._collapsed(section, context) for section in COLLAPSED if self._count(section)]
        expanded = [section for section in EXPANDED if self._count(section)]
        entries = self._needs_you(context, lines - len(collapsed) - len(expanded))
        available = lines - len(entries) - len(collapsed)
        for number, section in enumerate(expanded):
            reserved = len(expanded) - number - 1  # one row at least for each following section
            section_entries = self._expanded(section, context, available - reserved)
            entries += section_entries
            available -= len(section_entries)
        return (*entries, *collapsed)

    # ------------------------------------------------------------------ one section

    def _needs_you(self, context: MenuContext, lines: int) -> list[Entry]:
        """Return the sessions that wait for the user, each followed by its requests."""
        total = self._count(NEEDS_YOU)
        if not total:
            return []
        entries: list[Entry] = [Item(NEEDS_YOU.key, NEEDS_YOU.name)]
        shown = 0
        for row in self._rows(NEEDS_YOU, 0, max(1, lines)):
            entries_of_row = self._row(row, context)
            next_page_rows = 1 if shown + 1 < total else 0
            if shown and len(entries) + len(entries_of_row) + next_page_rows > lines:
                break
            entries += entries_of_row
            shown += 1
        return [*entries, *self._next_page(NEEDS_YOU, 1, shown, context, "… and {} more waiting for you")]

    def _expanded(self, section: Section, context: MenuContext, lines: int) -> list[Entry]:
        total = self._count(section)
        if lines < min(total, MIN_ROWS) + 1:
            return [self._collapsed(section, context)]
        rows = self._rows(section, 0, lines)
        while True:
            heading, rest = Item(section.key, section.name), self._next_page(section, 1, len(rows), context)
            for headings in (True, False):  # without room for both, rows are preferred to project headings
                entries = [heading, *self._grouped(rows, context, section.key, headings=headings), *rest]
                if len(entries) <= lines or len(rows) == 1:
                    return entries
            rows = rows[: max(1, len(rows) - max(1, len(entries) - lines))]

    def _collapsed(self, section: Section, context: MenuContext) -> Item:
        build = partial(self._page, section, 0, 0, context)
        label = f"{section.name} ({self._count(section)})"
        return lazy_submenu(section.key, label, ("section", section.key, "0"), build, context.open_submenus)

    def _page(self, section: Section, number: int, start: int, context: MenuContext) -> tuple[Entry, ...]:
        """Return one page of a section, from the row at position `start` on, and the item for the next page."""
        rows = self._rows(section, start, PAGE_SIZE)
        return (
            *self._grouped(rows, context, section.key),
            *self._next_page(section, number + 1, start + len(rows), context),
        )

    def _next_page(
        self, section: Section, page: int, start: int, context: MenuContext, label: str = "… and {} more"
    ) -> tuple[Item, ...]:
        submenu_id, remaining = ("section", section.key, str(page)), self._count(section) - start
        build = partial(self._page, section, page, start, context)
        return next_page(submenu_id, remaining, build, context.open_submenus, label)

    def _count(self, section: Section) -> int:
        return sum(map(self._index.count, section.statuses))

    def _rows(self, section: Section, start: int, count: int) -> list[SessionRow]:
        return section_rows(self._index, section, start + count)[start:]

    # ------------------------------------------------------------------ rows

    def _grouped(
        self, rows: list[SessionRow], context: MenuContext, section: str, *, headings: bool = True
    ) -> list[Entry]:
        """Return the rows; in a long section the rows of a project are grouped below its name."""
        names = [self._index.project(row) for row in rows]
        sizes = Counter(names) if headings and len(rows) > GROUPED_ABOVE else Counter()
        entries: list[Entry] = []
        done: set[str] = set()
        for row, name in zip(rows, names, strict=True):
            if sizes[name] < GROUP_SIZE:
                entries += self._row(row, context)
            elif name not in done:
                done.add(name)
                entries.append(Item(f"{section}:{name}", shorten(name, PROJECT_COLUMNS + 16)))
                for member, project in zip(rows, names, strict=True):
                    if project == name:
                        entries += self._row(member, context, in_group=True)
        return entries

    def _row(self, row: SessionRow, context: MenuContext, *, in_group: bool = False) -> tuple[Entry, ...]:
        project = "" if in_group else self._index.project(row)
        agent = row.server.agent_kind.short_title if context.names_agents else ""
        inputs = (row, age(context.at - row.since), stall(row, context.at), project, agent, context.columns)
        key = ("row", row.session.id, "in group" if in_group else "")
        return self._cache.get(key, inputs, partial(row_entries, row, context, project, agent))


def row_entries(row: SessionRow, context: MenuContext, project: str, agent: str) -> tuple[Entry, ...]:
    """Return a session's row and, below it, an item with the answers to each of its pending requests."""
    columns = context.columns
    with_reason = not row.status.needs_user
    label = row_label(row, context.at, columns, project=project, agent=agent, with_reason=with_reason)
    entries: list[Entry] = [Item(row.session.id, label, OpenSession(row.key), mark=row.status)]
    entries += [answer_entry(row, request, columns) for request in row.waiting[:MAX_REQUESTS]]
    if len(row.waiting) > MAX_REQUESTS:
        rest = row.waiting[MAX_REQUESTS : MAX_REQUESTS + PAGE_SIZE]
        label = f"      … and {len(row.waiting) - MAX_REQUESTS} more"
        children = tuple(answer_entry(row, request, columns) for request in rest)
        entries.append(Item(f"{row.session.id}:more", label, children=children))
    return tuple(entries)
