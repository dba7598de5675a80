"""Who watches is sent what differs: a bar a record of one size, a table the rows that changed and nothing else."""

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
from tray.core.model import Activity, Request, RequestKind
from tray.core.session_index import SessionIndex
from tray.surfaces.control.status_report import sums_report
from tray.surfaces.control.watchers import RowsWatcher, SumsWatcher, Watcher

S = SERVER.id
AT = 1_795_237_290_000


class Fed:
    """A fleet, and watchers of it."""

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
    """The next frame as it crosses the wire; None: nothing."""
    frame = watcher.frame()
    return json.loads(msgspec.json.encode(frame)) if frame is not None else None


def many(count: int) -> Iterable[Event]:
    for number in range(count):
        name = f"ses_{number:04}"
        yield SessionReported(S, SessionFacts(name, title=f"Work {number:04}", parent=None))
        yield ActivityReported(S, name, Activity.BUSY)


def asks(name: str) -> RequestAsked:
    return RequestAsked(S, Request(f"per_{name}", name, RequestKind.PERMISSION, "bash", "ls", asked_at=AT))


def test_a_bars_message_is_as_long_with_a_thousand_sessions_as_with_thirty() -> None:
    few, lots = (json.dumps(sums_report(Fed(*many(count)).index)) for count in (30, 1000))
    assert abs(len(lots) - len(few)) <= 2 * len("1000")  # the sums alone
    assert len(lots) < 4000


def test_a_bar_is_sent_nothing_while_what_it_shows_stays_the_same() -> None:
    fed = Fed(*many(100))
    watcher = fed.watch(SumsWatcher(fed.index))
    assert sent(watcher)["sums"]["attention"]["busy"] == 100
    fed.apply(ToolReported(S, "ses_0001", "bash", running=True))
    assert sent(watcher) is None
    fed.apply(asks("ses_0050"))
    told = sent(watcher)["sums"]
    assert told["attention"]["waiting"] == 1
    assert told["next"] == told["sessions"][0]
    assert (told["mark"], told["next"]["title"], told["next"]["project"]) == ("!", "Work 0050", SERVER.name)


def test_the_table_is_sent_the_rows_that_changed_and_those_that_are_gone_alone() -> None:
    fed = Fed(*many(999))  # and one more: a server has room for 1000
    watcher = fed.watch(RowsWatcher(fed.fleet, fed.index))
    assert len(sent(watcher)["rows"]) == 999
    assert sent(watcher) is None
    fed.apply(asks("ses_0007"))
    fed.apply(ToolReported(S, "ses_0008", "bash", running=True))
    told = sent(watcher)
    assert {row["id"]: row["doing"] for row in told["rows"]} == {"ses_0007": "bash: ls", "ses_0008": "bash"}
    fed.apply(SessionReported(S, SessionFacts("ses_child", title="Below", parent="ses_0009")))
    told = sent(watcher)
    assert [(row["root"], row["id"]) for row in told["rows"]] == [("ses_0009", "ses_child")]
    fed.apply(SessionDeleted(S, "ses_0009"))
    told = sent(watcher)
    assert sorted(told["gone"]) == [["ses_0009", "ses_0009"], ["ses_0009", "ses_child"]]
    assert told["rows"] == []
    fed.apply(ServerLost(S, goodbye=False))
    assert {row["status"] for row in sent(watcher)["rows"]} == {"disconnected"}


@settings(deadline=None)
@given(event_sequences)
def test_frames_that_tell_what_differs_add_up_to_the_whole(story: list[tuple[Event, int]]) -> None:
    fed, seen = Fed(), Rows()
    watcher = fed.watch(RowsWatcher(fed.fleet, fed.index))
    seen.take(sent(watcher))
    for event, at in story:
        fed.apply(event, at)
        if (frame := sent(watcher)) is not None:
            seen.take(frame)
    fresh = Rows()
    fresh.take(sent(RowsWatcher(fed.fleet, fed.index)))
    assert (seen.tooltip, sorted(map(str, seen.sessions))) == (fresh.tooltip, sorted(map(str, fresh.sessions)))


def drawn(rows: Rows, columns: int, lines: int = 40) -> str:
    console = Console(width=columns, height=lines, file=io.StringIO(), record=True)
    console.print(table(rows.tooltip, rows.sessions, AT + 4 * 60_000, columns, lines))
    return console.export_text()


def rows_of(*events: Event) -> Rows:
    fed, rows = Fed(*events), Rows()
    rows.take(sent(RowsWatcher(fed.fleet, fed.index)))
    return rows


@pytest.mark.parametrize("columns", [30, 40, 60, 80, 100, 120, 200])
def test_state_by_its_mark_and_age_are_shown_however_narrow_the_terminal_is(columns: int) -> None:
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


def test_more_sessions_than_lines_are_counted() -> None:
    told = drawn(rows_of(*many(1000)), 80, 24)
    assert len(told.splitlines()) <= 24
    assert "and 980 more" in told


def test_the_worst_root_comes_first_and_descendants_follow_it() -> None:
    child = SessionReported(S, SessionFacts("ses_child", title="Below", parent="ses_0002"))
    rows = rows_of(*many(4), child, asks("ses_0002"), MuteSet("session:ses_0001", AT + 1))
    assert [row["id"] for row in rows.sessions][:2] == ["ses_0002", "ses_child"]


def test_titles_and_projects_cannot_break_out_of_a_bars_format() -> None:
    hostile = SessionFacts("ses_1", title="50% | <b> \x1b[31m\u202e", directory="/home/a|b<c>")
    sums = sums_report(
        Fed(SessionReported(S, hostile), ActivityReported(S, "ses_1", Activity.BUSY), asks("ses_1")).index
    )
    for name, told in FORMATS.items():
        text = told(sums)
        assert "\x1b" not in text, name
        assert "\u202e" not in text, name
    assert "<b>" not in json.loads(FORMATS["waybar"](sums))["tooltip"]
    assert all(line.count("|") <= 1 for line in FORMATS["swiftbar"](sums).splitlines())
