"""Frames of the control API: a status bar gets a summary of constant size, a table gets the rows that changed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from rich.console import Console

from event_strategies import event_sequences
from replay import SERVER
from tray.cli.status_bars import FORMATS
from tray.cli.watch import Rows, table
from tray.core.events import (
    ActivityReported,
    Event,
    MuteSet,
    RequestAsked,
    ServerConnected,
    ServerLost,
    SessionDeleted,
    SessionFacts,
    SessionReported,
    SnapshotTaken,
    ToolReported,
)
from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex
from tray.core.sessions import Activity, Request, RequestKind
from tray.surfaces.control.status_report import summary_report
from tray.surfaces.control.watchers import RowsWatcher, SummaryWatcher, Watcher

S = SERVER.id
AT = 1_795_237_290_000


class Fed:
    """A fleet with watchers."""

    def __init__(self, *events: Event) -> None:
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.watchers: list[Watcher] = []
        for event in (ServerConnected(SERVER), SnapshotTaken(S), *events):
            self.apply(event)

    def apply(self, event: Event, at: int = AT) -> None:
        changed = self.index.update(self.fleet.apply(event, at))
        for watcher in self.watchers:
            watcher.changed(changed)

    def watch(self, watcher: Watcher) -> Watcher:
        self.watchers.append(watcher)
        return watcher


def sent(watcher: Watcher) -> Any:
    """Return the next frame as the client gets it; None: nothing is sent."""
    frame = watcher.frame()
    return json.loads(msgspec.json.encode(frame)) if frame is not None else None


def many(count: int) -> Iterable[Event]:
    for number in range(count):
        name = f"ses_{number:04}"
        yield SessionReported(S, SessionFacts(name, title=f"Work {number:04}", parent=None))
        yield ActivityReported(S, name, Activity.BUSY)


def asks(name: str) -> RequestAsked:
    return RequestAsked(S, Request(f"per_{name}", name, RequestKind.PERMISSION, "bash", "ls", asked_at=AT))


def test_the_size_of_a_summary_does_not_depend_on_the_number_of_sessions() -> None:
    few, lots = (json.dumps(summary_report(Fed(*many(count)).index)) for count in (30, 1000))
    assert abs(len(lots) - len(few)) <= 2 * len("1000")  # the counts alone
    assert len(lots) < 4000


def test_a_summary_is_sent_only_when_it_has_changed() -> None:
    fed = Fed(*many(100))
    watcher = fed.watch(SummaryWatcher(fed.index))
    assert sent(watcher)["summary"]["attention"]["busy"] == 100
    fed.apply(ToolReported(S, "ses_0001", "bash", running=True))
    assert sent(watcher) is None
    fed.apply(asks("ses_0050"))
    summary = sent(watcher)["summary"]
    first = summary["sessions"][0]
    assert summary["attention"]["waiting"] == 1
    assert summary["next_session"] == first
    assert (summary["symbol"], first["title"], first["project"]) == ("!", "Work 0050", SERVER.name)


def test_only_changed_and_removed_rows_are_sent() -> None:
    fed = Fed(*many(999))  # and one more: a server has room for 1000
    watcher = fed.watch(RowsWatcher(fed.fleet, fed.index))
    assert len(sent(watcher)["rows"]) == 999
    assert sent(watcher) is None
    fed.apply(asks("ses_0007"))
    fed.apply(ToolReported(S, "ses_0008", "bash", running=True))
    frame = sent(watcher)
    assert {row["id"]: row["activity"] for row in frame["rows"]} == {"ses_0007": "bash: ls", "ses_0008": "bash"}
    fed.apply(SessionReported(S, SessionFacts("ses_child", title="Below", parent="ses_0009")))
    frame = sent(watcher)
    assert [(row["root"], row["id"]) for row in frame["rows"]] == [("ses_0009", "ses_child")]
    fed.apply(SessionDeleted(S, "ses_0009"))
    frame = sent(watcher)
    assert sorted(frame["removed"]) == [["ses_0009", "ses_0009"], ["ses_0009", "ses_child"]]
    assert frame["rows"] == []
    fed.apply(ServerLost(S, goodbye=False))
    assert {row["status"] for row in sent(watcher)["rows"]} == {"disconnected"}


@pytest.mark.parametrize("parent", ["ses_2", "ses_0001"])
def test_a_session_that_moves_to_another_parent_leaves_the_rows_of_the_first_one(parent: str) -> None:
    """A hostile server may name a session as its own parent."""
    fed, seen = Fed(*many(2)), Rows()
    watcher = fed.watch(RowsWatcher(fed.fleet, fed.index))
    fed.apply(SessionReported(S, SessionFacts("ses_2", title="Below", parent="ses_0000")))
    seen.apply(sent(watcher))
    fed.apply(SessionReported(S, SessionFacts("ses_2", parent=parent)))
    seen.apply(sent(watcher))
    fresh = Rows()
    fresh.apply(sent(RowsWatcher(fed.fleet, fed.index)))
    assert sorted(map(str, seen.sessions)) == sorted(map(str, fresh.sessions))


@settings(deadline=None)
@given(event_sequences)
def test_applying_all_frames_gives_the_same_rows_as_a_fresh_connection(story: list[tuple[Event, int]]) -> None:
    fed, seen = Fed(), Rows()
    watcher = fed.watch(RowsWatcher(fed.fleet, fed.index))
    seen.apply(sent(watcher))
    for event, at in story:
        fed.apply(event, at)
        if (frame := sent(watcher)) is not None:
            seen.apply(frame)
    fresh = Rows()
    fresh.apply(sent(RowsWatcher(fed.fleet, fed.index)))
    assert (seen.tooltip, sorted(map(str, seen.sessions))) == (fresh.tooltip, sorted(map(str, fresh.sessions)))


def drawn(rows: Rows, columns: int, lines: int = 40) -> str:
    console = Console(width=columns, height=lines, file=io.StringIO(), record=True)
    console.print(table(rows.tooltip, rows.sessions, AT + 4 * 60_000, columns, lines))
    return console.export_text()


def rows_of(*events: Event) -> Rows:
    fed, rows = Fed(*events), Rows()
    rows.apply(sent(RowsWatcher(fed.fleet, fed.index)))
    return rows


@pytest.mark.parametrize("columns", [30, 40, 60, 80, 100, 120, 200])
def test_symbol_and_age_are_shown_at_any_width(columns: int) -> None:
    title = "A title that is much longer than a narrow terminal has room for beside everything else " * 2
    rows = rows_of(
        SessionReported(S, SessionFacts("ses_1", title=title, directory="/home/dev/project-of-mine", agent="build")),
        ActivityReported(S, "ses_1", Activity.BUSY),
        asks("ses_1"),
        SessionReported(S, SessionFacts("ses_2", title="日本語の" * 30)),
    )
    first, second = [line for line in drawn(rows, columns).splitlines() if line[:1] in "!○"]
    assert (first[0], second[0]) == ("!", "○")
    assert "A title" in first
    assert "4m" in first[-6:]
    assert "…" in first


def test_sessions_that_do_not_fit_are_counted() -> None:
    text = drawn(rows_of(*many(1000)), 80, 24)
    assert len(text.splitlines()) <= 24
    assert "and 980 more" in text


def test_the_most_urgent_root_comes_first_followed_by_its_descendants() -> None:
    child = SessionReported(S, SessionFacts("ses_child", title="Below", parent="ses_0002"))
    rows = rows_of(*many(4), child, asks("ses_0002"), MuteSet("session:ses_0001", AT + 1))
    assert [row["id"] for row in rows.sessions][:2] == ["ses_0002", "ses_child"]


def test_titles_and_projects_cannot_change_the_format_of_a_bar() -> None:
    hostile = SessionFacts("ses_1", title="50% | <b> \x1b[31m\u202e", directory="/home/a|b<c>")
    summary = summary_report(
        Fed(SessionReported(S, hostile), ActivityReported(S, "ses_1", Activity.BUSY), asks("ses_1")).index
    )
    for name, formatted in FORMATS.items():
        text = formatted(summary)
        assert "\x1b" not in text, name
        assert "\u202e" not in text, name
    assert "<b>" not in json.loads(FORMATS["waybar"](summary))["tooltip"]
    assert all(line.count("|") <= 1 for line in FORMATS["swiftbar"](summary).splitlines())
