"""The sections of the menu: rows by state, as many as the screen has room for, the others one click away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import msgspec

from tray.core.commands import OpenSession
from tray.core.model import Status
from tray.core.session_index import SessionIndex, SessionRow
from tray.core.text import age, shorten
from tray.surfaces.menu.answer_menu import answer_entry
from tray.surfaces.menu.items import Entry, Item, Opened, further, submenu
from tray.surfaces.session_text import PROJECT, row_label, stall

ASKED = 3  # requests shown below one row
PAGE = 25  # rows of a submenu; the next ones are in a submenu of it
GROUP = 3  # rows of one project that get a heading
GROUP_ABOVE = 8  # rows of a section, above which projects get headings
FEWEST = 3  # rows that make a section worth unfolding

Known = dict[tuple[str, ...], tuple[object, tuple[Entry, ...]]]  # what was made of which facts


class Section(msgspec.Struct, frozen=True):
    """One section and the states in it, the worst first."""

    key: str
    name: str
    statuses: tuple[Status, ...]


NEEDS = Section("needs", "Needs you", (Status.WAITING_FOR_PERMISSION, Status.WAITING_FOR_ANSWER))
UNFOLDED = (
    Section("failed", "Failed", (Status.ERROR,)),
    Section("working", "Working", (Status.RETRY, Status.BUSY)),
    Section("finished", "Finished", (Status.COMPLETED,)),
)
FOLDED = (
    Section("idle", "Idle", (Status.IDLE, Status.ABORTED)),
    Section("disconnected", "Disconnected", (Status.DISCONNECTED,)),
)
SECTIONS = {section.key: section for section in (NEEDS, *UNFOLDED, *FOLDED)}


class ViewOptions(msgspec.Struct, frozen=True):
    """What the rows of one view have in common."""

    at: int  # the time of the view
    opened: Opened  # the submenus to fill
    columns: int  # of a row


class Once:
    """Makes entries again only where their facts differ from those of the last view."""

    def __init__(self) -> None:
        self._before: Known = {}
        self._made: Known = {}

    def begin(self) -> None:
        """A new view begins: what the last one did not use is forgotten."""
        self._before, self._made = self._made, {}

    def __call__(
        self, name: tuple[str, ...], facts: object, make: Callable[[], tuple[Entry, ...]]
    ) -> tuple[Entry, ...]:
        """The entries of this name."""
        known = self._before.get(name)
        made = known if known is not None and known[0] == facts else (facts, make())
        self._made[name] = made
        return made[1]


class Sections:
    """Makes the sections of one view after the other."""

    def __init__(self, index: SessionIndex, once: Once) -> None:
        self._index = index
        self._once = once

    def entries(self, view: ViewOptions, lines: int) -> tuple[Entry, ...]:
        """All sections in at most `lines` rows, or the fewest that can be: whoever needs the person comes first."""
        folded = [self._folded(section, view) for section in FOLDED if self._count(section)]
        shown = [section for section in UNFOLDED if self._count(section)]
        entries = self._needs(view, lines - len(folded) - len(shown))
        left = lines - len(entries) - len(folded)
        for number, section in enumerate(shown):
            later = len(shown) - number - 1  # each of them needs a row at least
            more = self._unfolded(section, view, left - later)
            entries += more
            left -= len(more)
        return (*entries, *folded)

    # ------------------------------------------------------------------ one section

    def _needs(self, view: ViewOptions, lines: int) -> list[Entry]:
        """Those who wait for the person, each with what is asked."""
        total = self._count(NEEDS)
        if not total:
            return []
        entries: list[Entry] = [Item(NEEDS.key, NEEDS.name)]
        shown = 0
        for row in self._rows(NEEDS, 0, max(1, lines)):
            more = self._row(row, view)
            others = 1 if shown + 1 < total else 0
            if shown and len(entries) + len(more) + others > lines:
                break
            entries += more
            shown += 1
        return [*entries, *self._further(NEEDS, 1, shown, view, "… and {} more who need you")]

    def _unfolded(self, section: Section, view: ViewOptions, lines: int) -> list[Entry]:
        total = self._count(section)
        if lines < min(total, FEWEST) + 1:
            return [self._folded(section, view)]
        rows = self._rows(section, 0, lines)
        while True:
            head, others = Item(section.key, section.name), self._further(section, 1, len(rows), view)
            for headings in (True, False):  # rows matter more than the names of projects above them
                entries = [head, *self._grouped(rows, view, section.key, headings=headings), *others]
                if len(entries) <= lines or len(rows) == 1:
                    return entries
            rows = rows[: max(1, len(rows) - max(1, len(entries) - lines))]

    def _folded(self, section: Section, view: ViewOptions) -> Item:
        make = partial(self._page, section, 0, 0, view)
        label = f"{section.name} ({self._count(section)})"
        return submenu(section.key, label, ("section", section.key, "0"), make, view.opened)

    def _page(self, section: Section, number: int, start: int, view: ViewOptions) -> tuple[Entry, ...]:
        """The rows of a section from the position `start` on, and the row behind which the next ones are."""
        rows = self._rows(section, start, PAGE)
        return (
            *self._grouped(rows, view, section.key),
            *self._further(section, number + 1, start + len(rows), view),
        )

    def _further(
        self, section: Section, page: int, start: int, view: ViewOptions, text: str = "… and {} more"
    ) -> tuple[Item, ...]:
        fill, left = ("section", section.key, str(page)), self._count(section) - start
        return further(fill, left, partial(self._page, section, page, start, view), view.opened, text)

    def _count(self, section: Section) -> int:
        return sum(map(self._index.count, section.statuses))

    def _rows(self, section: Section, start: int, count: int) -> list[SessionRow]:
        """The longest in their state first; of those at rest the newest first."""
        read = self._index.newest if section.key == "idle" else self._index.oldest
        found = [row for status in section.statuses for row in read(status, start + count)]
        if section.key == "idle":
            found.sort(key=lambda row: -row.since)
        return found[start : start + count]

    # ------------------------------------------------------------------ rows

    def _grouped(
        self, rows: list[SessionRow], view: ViewOptions, section: str, *, headings: bool = True
    ) -> list[Entry]:
        """The rows; in a long section those of one project stand together below its name."""
        names = [self._index.project(row) for row in rows]
        often = Counter(names) if headings and len(rows) > GROUP_ABOVE else Counter()
        entries: list[Entry] = []
        headed: set[str] = set()
        for row, name in zip(rows, names, strict=True):
            if often[name] < GROUP:
                entries += self._row(row, view)
            elif name not in headed:
                headed.add(name)
                entries.append(Item(f"{section}:{name}", shorten(name, PROJECT + 16)))
                for member, its in zip(rows, names, strict=True):
                    if its == name:
                        entries += self._row(member, view, headed=True)
        return entries

    def _row(self, row: SessionRow, view: ViewOptions, *, headed: bool = False) -> tuple[Entry, ...]:
        project = "" if headed else self._index.project(row)
        facts = (row, age(view.at - row.since), stall(row, view.at), project, view.columns)
        name = ("row", row.session.id, "headed" if headed else "")
        return self._once(name, facts, partial(row_entries, row, view.at, view.columns, project))


def row_entries(row: SessionRow, at: int, columns: int, project: str) -> tuple[Entry, ...]:
    """A session's row, and under it each of its requests with the answers to it."""
    waits = row.status.needs_person
    label = row_label(row, at, columns, project=project, why=not waits)
    entries: list[Entry] = [Item(row.session.id, label, OpenSession(row.key), mark=row.status)]
    if waits:
        entries += [answer_entry(row, request, columns) for request in row.requests[:ASKED]]
        if len(row.requests) > ASKED:
            more = tuple(answer_entry(row, request, columns) for request in row.requests[ASKED : ASKED + PAGE])
            entries.append(
                Item(f"{row.session.id}:more", f"      … and {len(row.requests) - ASKED} more", children=more)
            )
    return tuple(entries)
