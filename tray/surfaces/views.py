"""The tray's view, computed from the fleet: icon, tooltip, and the menu with its sections."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from tray.core.attention import Attention, attention, next_in_line
from tray.core.board import EVERYTHING, Board, Row
from tray.core.choices import GoTo, GoToNext, OpenSettings, Quit, RunDoctor
from tray.core.fleet import Fleet
from tray.core.model import Status
from tray.core.text import age, shorten
from tray.surfaces.answers import answer_entry
from tray.surfaces.menu import Entry, Item, Separator
from tray.surfaces.rows import project, row_label, stall, title
from tray.surfaces.server_menu import server_entries, starting_entries
from tray.surfaces.submenus import mute_label, mute_menu, session_entries, today
from tray.surfaces.view import IconView, TrayView

ROOM = 20  # rows that a menu shows without scrolling; whoever needs a person is shown all the same
NEEDS = 100  # of these rows, the longest-waiting; more are a number
ASKED = 5  # requests of one row
FOLD = 30  # rows in a folded submenu
GROUP_ABOVE = 8  # rows, above which they are grouped by project
TODAY_EVERY = 2_000  # ms between two sums over all sessions

_SECTIONS = (
    ("needs", "Needs you", (Status.WAITING_FOR_PERMISSION, Status.WAITING_FOR_ANSWER, Status.ERROR)),
    ("working", "Working", (Status.RETRY, Status.BUSY)),
    ("finished", "Finished", (Status.COMPLETED,)),
    ("idle", "Idle", (Status.IDLE, Status.ABORTED)),
    ("disconnected", "Disconnected", (Status.DISCONNECTED,)),
)


class Look(msgspec.Struct, frozen=True):
    """What the person set, and what is wrong, besides the fleet."""

    monochrome: bool = False
    show_count: bool = True
    problems: tuple[str, ...] = ()
    started: frozenset[str] = frozenset()  # the addresses of the servers that were started here


class Views:
    """Makes the tray's view of this moment, again and again; an entry whose facts are the same is made only once."""

    def __init__(self, fleet: Fleet, board: Board) -> None:
        self._fleet = fleet
        self._board = board
        self._before: dict[tuple[str, ...], tuple[object, tuple[Entry, ...]]] = {}  # the last view's entries
        self._made: dict[tuple[str, ...], tuple[object, tuple[Entry, ...]]] = {}
        self._today = ""
        self._today_at = 0

    def view(self, look: Look, at: int) -> TrayView:
        """All that the tray shows at the time `at`."""
        self._before, self._made = self._made, {}
        sums = attention(self._board)
        return TrayView(
            icon=IconView(sums.status, sums.waiting, look.monochrome, look.show_count),
            tooltip=sums.tooltip,
            menu=(*self._head(sums), *self._sections(at), *self._foot(look, at)),
        )

    def _once(self, name: tuple[str, ...], facts: object, make: Callable[[], tuple[Entry, ...]]) -> tuple[Entry, ...]:
        known = self._before.get(name)
        made = known if known is not None and known[0] == facts else (facts, make())
        self._made[name] = made
        return made[1]

    def _head(self, sums: Attention) -> tuple[Entry, ...]:
        following = next_in_line(self._board)
        if following is None:
            first = Item("next", "Nobody needs you")
        else:
            name = shorten(title(following.session), 40)
            first = Item("next", f"Go to next: {name}", GoToNext(), default=True)
        return (first, Item("sums", sums.tooltip), Separator("head"))

    # ------------------------------------------------------------------ sections

    def _sections(self, at: int) -> tuple[Entry, ...]:
        entries: list[Entry] = []
        room = ROOM
        for key, name, statuses in _SECTIONS:
            total = sum(map(self._board.count, statuses))
            if not total:
                continue
            if key == "idle" or (key == "disconnected" and total > 3) or (key != "needs" and room < 3):
                entries.append(Item(key, f"{name} ({total})", children=self._folded(self._newest(statuses), total, at)))
                room -= 1
                continue
            most = NEEDS if key == "needs" else room - 1 + FOLD
            found = [row for status in statuses for row in self._board.oldest(status, most)]
            shown = found[:NEEDS] if key == "needs" else found[: room - 1]
            entries += [Item(key, name), *self._rows(shown, at, key)]
            if len(shown) < total:
                left = self._folded(found[len(shown) :], total - len(shown), at)
                entries.append(Item(f"{key}-more", f"… and {total - len(shown)} more", children=left))
            room -= len(shown) + 1
        return (*entries, Separator("sections")) if entries else ()

    def _newest(self, statuses: Sequence[Status]) -> list[Row]:
        rows = [row for status in statuses for row in self._board.newest(status, FOLD)]
        return sorted(rows, key=lambda row: -row.since)

    def _folded(self, rows: list[Row], total: int, at: int) -> tuple[Entry, ...]:
        shown = rows[:FOLD]
        rest = [Item("rest", f"… and {total - len(shown)} more")] if total > len(shown) else []
        return (*self._rows(shown, at, "folded"), *rest)

    def _rows(self, rows: list[Row], at: int, section: str) -> list[Entry]:
        if len(rows) <= GROUP_ABOVE:
            return [entry for row in rows for entry in self._row(row, at, with_project=True)]
        entries: list[Entry] = []
        groups: dict[str, list[Row]] = {}
        for row in rows:
            groups.setdefault(project(row), []).append(row)
        for name, members in groups.items():
            entries.append(Item(f"{section}:{name}", shorten(name, 40)))
            entries += [entry for row in members for entry in self._row(row, at, with_project=False)]
        return entries

    def _row(self, row: Row, at: int, *, with_project: bool) -> tuple[Entry, ...]:
        name = ("row", row.session.id, str(with_project))
        facts = (row, age(at - row.since), stall(row, at))
        return self._once(name, facts, partial(_row_entries, row, at, with_project=with_project))

    # ------------------------------------------------------------------ footer

    def _foot(self, look: Look, at: int) -> tuple[Entry, ...]:
        entries: list[Entry] = [Item(f"problem:{text}", f"⚠ {shorten(text, 58)}") for text in look.problems]
        if any(map(self._board.count, Status)):
            entries += [Item("all", "All sessions", children=self._all_sessions(at)), Item("today", self._sums(at))]
        entries.append(Item("servers", "Servers", children=self._servers(look)))
        mutes = self._fleet.mutes
        entries += [
            Item("mute", mute_label(mutes, EVERYTHING), children=mute_menu(mutes, EVERYTHING)),
            Item("settings", "Settings…", OpenSettings()),
            Item("doctor", "Doctor", RunDoctor()),
            Separator("foot"),
            Item("quit", "Quit", Quit()),
        ]
        return tuple(entries)

    def _sums(self, at: int) -> str:
        if not self._today or not 0 <= at - self._today_at < TODAY_EVERY:
            self._today, self._today_at = today(self._board.rows(), at), at
        return self._today

    def _all_sessions(self, at: int) -> tuple[Entry, ...]:
        rows: list[Row] = []
        for status in sorted(Status, key=lambda status: status.urgency):
            rows += self._board.newest(status, FOLD - len(rows))
        total = sum(map(self._board.count, Status))
        rest = [Item("rest", f"… and {total - len(rows)} more")] if total > len(rows) else []
        return (*(entry for row in rows for entry in self._session(row, at)), *rest)

    def _session(self, row: Row, at: int) -> tuple[Entry, ...]:
        fleet = self._fleet
        facts = (
            row,
            age(at - row.since),
            stall(row, at),
            fleet.mutes,
            fleet.limits.get(row.server.id),
            len(fleet.tree(row.key)),
        )
        return self._once(("session", row.session.id), facts, partial(session_entries, fleet, row, at))

    def _servers(self, look: Look) -> tuple[Entry, ...]:
        servers = self._fleet.servers.values()
        ordered = sorted(servers, key=lambda server: (not server.connected, server.name, server.id))
        shown: list[Entry] = []
        for server in ordered[:FOLD]:
            ours = server.url is not None and server.url.rstrip("/") in look.started
            make = partial(server_entries, server, started_here=ours)
            shown += self._once(("server", server.id), (server, ours), make)
        rest = [Item("rest", f"… and {len(ordered) - FOLD} more")] if len(ordered) > FOLD else []
        here = socket.gethostname()
        folders = {server.directory for server in servers if server.host in ("", here)}
        return (*shown, *rest, *starting_entries(folders, any_started=bool(look.started)))


def _row_entries(row: Row, at: int, *, with_project: bool) -> tuple[Entry, ...]:
    """A session's row, and under it each of its requests with the answers to it."""
    entries: list[Entry] = [
        Item(row.session.id, row_label(row, at, with_project=with_project), GoTo(row.key)),
    ]
    if row.status.needs_person:
        entries += [answer_entry(row, request) for request in row.requests[:ASKED]]
        if len(row.requests) > ASKED:
            entries.append(Item(f"{row.session.id}:more", f"      … and {len(row.requests) - ASKED} more"))
    return tuple(entries)
