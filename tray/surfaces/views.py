"""The tray's view, computed from the fleet: icon, tooltip, and the menu with its sections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from heapq import nsmallest

from tray.core.attention import (
    EVERYTHING,
    Attention,
    Row,
    attention,
    next_in_line,
    project_scope,
    session_scope,
)
from tray.core.choices import (
    Choice,
    Dismiss,
    GoTo,
    GoToNext,
    Mute,
    MuteSpan,
    OpenSettings,
    Quit,
    RunDoctor,
    Unmute,
)
from tray.core.fleet import Fleet
from tray.core.model import Server, Status
from tray.core.text import amount, shorten, width
from tray.surfaces.menu import Entry, Item, Separator
from tray.surfaces.rows import REASON, details, project, reason, request_text, row_label, title
from tray.surfaces.view import IconView, TrayView

ROOM = 20  # rows that a menu shows without scrolling; whoever needs a person is never cut
FOLD = 30  # rows in a folded submenu
GROUP_ABOVE = 8  # rows, above which they are grouped by project
FOREVER = 2**53  # the end of a mute without one


@dataclass(frozen=True, slots=True)
class Look:
    """What the person set, and what is wrong, besides the fleet."""

    monochrome: bool = False
    show_count: bool = True
    problems: tuple[str, ...] = ()


def tray_view(fleet: Fleet, rows: Iterable[Row], look: Look, at: int) -> TrayView:
    """All that the tray shows at this moment."""
    listed = list(rows)
    sums = attention(listed)
    return TrayView(
        icon=IconView(sums.status, sums.waiting, look.monochrome, look.show_count),
        tooltip=sums.tooltip,
        menu=(*_head(listed, sums), *_sections(listed, at), *_foot(fleet, listed, look, at)),
    )


def _head(rows: list[Row], sums: Attention) -> tuple[Entry, ...]:
    following = next_in_line(rows)
    if following is None:
        first = Item("next", "Nobody needs you")
    else:
        first = Item("next", f"Go to next: {shorten(title(following.session), 40)}", GoToNext(), default=True)
    return (first, Item("sums", sums.tooltip), Separator("head"))


# ---------------------------------------------------------------------- sections


_SECTIONS = (
    ("needs", "Needs you", (Status.WAITING_FOR_PERMISSION, Status.WAITING_FOR_ANSWER, Status.ERROR)),
    ("working", "Working", (Status.BUSY, Status.RETRY)),
    ("finished", "Finished", (Status.COMPLETED,)),
    ("idle", "Idle", (Status.IDLE, Status.ABORTED)),
    ("disconnected", "Disconnected", (Status.DISCONNECTED,)),
)


def _sections(rows: list[Row], at: int) -> tuple[Entry, ...]:
    by_status: dict[Status, list[Row]] = {status: [] for status in Status}
    for row in rows:
        by_status[row.status].append(row)
    entries: list[Entry] = []
    room = ROOM
    for key, name, statuses in _SECTIONS:
        found = [row for status in statuses for row in by_status[status]]
        if not found:
            continue
        if key == "idle" or (key == "disconnected" and len(found) > 3) or (key != "needs" and room < 3):
            entries.append(Item(key, f"{name} ({len(found)})", children=_folded(found, at)))
            room -= 1
            continue
        shown = found if key == "needs" else _soonest(found, room - 1)
        entries.append(Item(key, name))
        entries += _rows(shown, at, key)
        if len(shown) < len(found):
            left = [row for row in found if row not in shown]
            entries.append(Item(f"{key}-more", f"… and {len(left)} more", children=_folded(left, at)))
        room -= len(shown) + 1
    return (*entries, Separator("sections")) if entries else ()


def _soonest(rows: list[Row], count: int) -> list[Row]:
    return nsmallest(count, rows, key=lambda row: (row.status.urgency, row.since))


def _folded(rows: list[Row], at: int) -> tuple[Entry, ...]:
    newest = nsmallest(FOLD, rows, key=lambda row: -row.since)
    entries = [*_rows(newest, at, "folded")]
    if len(rows) > len(newest):
        entries.append(Item("rest", f"… and {len(rows) - len(newest)} more"))
    return tuple(entries)


def _rows(rows: list[Row], at: int, section: str) -> list[Entry]:
    if len(rows) <= GROUP_ABOVE:
        ordered = sorted(rows, key=lambda row: (row.status.urgency, row.since))
        return [entry for row in ordered for entry in _row(row, at, with_project=True)]
    entries: list[Entry] = []
    groups: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.status.urgency, row.since)):
        groups.setdefault(project(row), []).append(row)
    for name, members in groups.items():
        entries.append(Item(f"{section}:{name}", shorten(name, 40)))
        entries += [entry for row in members for entry in _row(row, at, with_project=False)]
    return entries


def _row(row: Row, at: int, *, with_project: bool) -> list[Entry]:
    entries: list[Entry] = [
        Item(row.session.id, row_label(row, at, with_project=with_project), GoTo(row.key)),
    ]
    told_whole = len(row.requests) == 1 and width(reason(row)) <= REASON
    for request in row.requests if row.status.needs_person and not told_whole else ():
        sending = " (sending…)" if request.sending else ""
        entries.append(Item(f"{row.session.id}:{request.id}", f"      {shorten(request_text(request), 56)}{sending}"))
    return entries


# ---------------------------------------------------------------------- footer


def _foot(fleet: Fleet, rows: list[Row], look: Look, at: int) -> tuple[Entry, ...]:
    entries: list[Entry] = [Item(f"problem:{text}", f"⚠ {shorten(text, 58)}") for text in look.problems]
    if rows:
        entries += [
            Item("all", "All sessions", children=_all_sessions(fleet, rows, at)),
            Item("today", _today(rows, at)),
        ]
    if fleet.servers:
        entries.append(Item("servers", "Servers", children=_servers(fleet.servers)))
    entries += [
        Item("mute", _mute_label(fleet.mutes, EVERYTHING), children=_mute(fleet.mutes, EVERYTHING)),
        Item("settings", "Settings…", OpenSettings()),
        Item("doctor", "Doctor", RunDoctor()),
        Separator("foot"),
        Item("quit", "Quit", Quit()),
    ]
    return tuple(entries)


def _all_sessions(fleet: Fleet, rows: list[Row], at: int) -> tuple[Entry, ...]:
    worst = nsmallest(FOLD, rows, key=lambda row: (row.status.urgency, -row.since))
    entries: list[Entry] = [
        Item(row.session.id, row_label(row, at), children=_session_menu(fleet, row, at)) for row in worst
    ]
    if len(rows) > len(worst):
        entries.append(Item("rest", f"… and {len(rows) - len(worst)} more"))
    return tuple(entries)


def _session_menu(fleet: Fleet, row: Row, at: int) -> tuple[Entry, ...]:
    session = row.session
    scope, place = session_scope(session.id), project_scope(session.directory or row.server.directory)
    news: Choice | None = Dismiss(row.key) if row.status in (Status.ERROR, Status.COMPLETED) else None
    actions: list[Entry] = [
        Item("go", "Go there", GoTo(row.key)),
        Item("mute", _mute_label(fleet.mutes, scope, "this session"), children=_mute(fleet.mutes, scope)),
        Item("mute-project", _mute_label(fleet.mutes, place, "this project"), children=_mute(fleet.mutes, place)),
    ]
    if news is not None:
        actions.append(Item("dismiss", "Dismiss", news))
    told = [Item(key, text) for key, text in details(row, fleet, at)]
    return (*actions, Separator("details"), *told)


def _today(rows: list[Row], at: int) -> str:
    """The sessions that were touched since local midnight, with all they have used since they began."""
    midnight = datetime.fromtimestamp(at / 1000).astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    since = midnight.timestamp() * 1000
    touched = [
        row for row in rows if max(row.session.updated, row.session.turn_ended, row.session.turn_started) >= since
    ]
    tokens = sum(row.tokens.total for row in touched)
    cost = sum(row.cost for row in touched)
    plural = "" if len(touched) == 1 else "s"
    return f"Today: {len(touched)} session{plural} · {amount(tokens)} tokens · ${cost:.2f}"


def _servers(servers: Mapping[str, Server]) -> tuple[Entry, ...]:
    ordered = sorted(servers.values(), key=lambda server: (not server.connected, server.name, server.id))
    entries: list[Entry] = []
    for server in ordered[:FOLD]:
        state = "" if server.connected else " — disconnected"
        state += "" if server.verified else " — watch only"
        told = f"{server.name}@{server.host} · OpenCode {server.opencode or '?'}"
        entries.append(Item(server.id, shorten(told, 50) + state))
    if len(ordered) > FOLD:
        entries.append(Item("rest", f"… and {len(ordered) - FOLD} more"))
    return tuple(entries)


def _mute_label(mutes: Mapping[str, int], scope: str, what: str = "notifications") -> str:
    until = mutes.get(scope)
    if until is None:
        return f"Mute {what}"
    end = "" if until >= FOREVER else f" until {datetime.fromtimestamp(until / 1000).astimezone():%a %H:%M}"
    return f"{what.capitalize()} muted{end}"


def _mute(mutes: Mapping[str, int], scope: str) -> tuple[Entry, ...]:
    spans: list[Entry] = [Item(span.name.lower(), span.value.capitalize(), Mute(scope, span)) for span in MuteSpan]
    return (Item("unmute", "Unmute", Unmute(scope)), *spans) if scope in mutes else tuple(spans)
