"""The table of `status`: order, columns, width, and IDs that commands accept."""

from __future__ import annotations

import json

import msgspec
import pytest

from replay import SERVER
from tray.cli.status import describe
from tray.core.events import (
    ActivityReported,
    Event,
    MuteSet,
    RequestAsked,
    ServerConnected,
    SessionFacts,
    SessionFailed,
    SessionReported,
    SnapshotTaken,
)
from tray.core.fleet import Fleet
from tray.core.id_lookup import find_session
from tray.core.session_index import EVERYTHING, SessionIndex
from tray.core.sessions import Activity, Failure, Request, RequestKind
from tray.core.text import width
from tray.surfaces.control.overview import overview

S = SERVER.id
AT = 1_795_237_290_000
LONG = "A title that is longer than any terminal has room for, and that goes on and on and on" * 2


def overview_of(*events: Event) -> dict[str, object]:
    fleet = Fleet()
    index = SessionIndex(fleet)
    for event in (ServerConnected(SERVER), SnapshotTaken(S), *events):
        index.update(fleet.apply(event, AT))
    received: dict[str, object] = json.loads(msgspec.json.encode(overview(fleet, index, AT + 4 * 60_000)))
    return received


def session(name: str, title: str, directory: str = "/home/dev/project") -> SessionReported:
    return SessionReported(S, SessionFacts(name, title=title, directory=directory))


def asks(name: str) -> RequestAsked:
    return RequestAsked(S, Request(f"per_{name}", name, RequestKind.PERMISSION, "bash", "ls " * 200, asked_at=AT))


STORY = (
    session("ses_aaaa_1", LONG),
    ActivityReported(S, "ses_aaaa_1", Activity.BUSY),
    session("ses_aaaa_2", "日本語の" * 40, "/home/dev/日本語のプロジェクト名前"),
    session("ses_bbbb", "Fix it \x1b[31m\u202e"),
    asks("ses_bbbb"),
    session("ses_cccc", "Went wrong"),
    SessionFailed(S, "ses_cccc", Failure("APIError", "no credit left")),
)


def test_rows_are_ordered_by_urgency_and_have_all_columns() -> None:
    lines = describe(overview_of(*STORY)).splitlines()
    assert lines[0] == "1 needs you · 1 failed · 1 working · 1 idle"
    assert [line.split()[0] for line in lines[1:]] == ["!", "per_ses_bbbb", "✕", "◐", "○"]
    assert lines[1].split("  ")[0] == "! project"
    for words in ("Fix it [31m", "waiting for permission", "4m", "ses_bbbb"):
        assert words in lines[1]
    assert "no credit left" in lines[3]
    assert LONG in lines[4]  # no terminal: nothing is cut
    assert "\x1b" not in "".join(lines)
    assert "\u202e" not in "".join(lines)


@pytest.mark.parametrize("columns", [40, 50, 60, 80, 100, 160])
def test_no_line_is_longer_than_the_terminal_and_cut_texts_end_with_an_ellipsis(columns: int) -> None:
    lines = describe(overview_of(*STORY), columns).splitlines()[1:]
    assert [line for line in lines if width(line) > columns] == []
    assert sum("…" in line for line in lines) >= 3
    assert all("ses_" in line for line in lines)  # IDs are never cut


def test_colours_do_not_change_the_text() -> None:
    plain, coloured = (describe(overview_of(*STORY), 80, coloured=on) for on in (False, True))
    assert "\x1b[1;33m!" in coloured
    for code in ("1;33", "1;31", "34", "0"):
        coloured = coloured.replace(f"\x1b[{code}m", "")
    assert coloured == plain


def test_ids_are_as_short_as_possible_and_commands_find_the_sessions() -> None:
    fleet = Fleet()
    index = SessionIndex(fleet)
    child = SessionReported(S, SessionFacts("ses_bbbb_child", title="Below", parent="ses_bbbb"))
    for event in (ServerConnected(SERVER), SnapshotTaken(S), *STORY, child):
        index.update(fleet.apply(event, AT))
    rows = overview(fleet, index, AT)["rows"]
    assert {row["id"] for row in rows} == {"ses_aaaa_1", "ses_aaaa_2", "ses_bbbb", "ses_cccc"}
    assert {find_session(fleet, index, row["id"]).session for row in rows} == {row.session.id for row in index.rows()}


def test_a_mute_of_everything_and_an_empty_table_are_shown() -> None:
    assert describe(overview_of()) == "No sessions"
    assert describe(overview_of(MuteSet(EVERYTHING, AT * 2))) == "No sessions · notifications are muted"
    exposed = overview_of() | {"exposed": "Exposed to the internet until 22:15"}
    assert describe(exposed) == "⚠ Exposed to the internet until 22:15 · No sessions"
