"""The live view: whole at first, then numbered changes that a browser can resume, in the menu's order and words."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from event_strategies import event_sequences
from replay import SERVER
from tray.core.events import (
    ActivityReported,
    Event,
    RequestAsked,
    RequestClosed,
    ServerConnected,
    ServerLost,
    SessionDeleted,
    SessionFacts,
    SessionReported,
    SnapshotTaken,
)
from tray.core.fleet import Fleet
from tray.core.request_digest import digest
from tray.core.session_index import SessionIndex
from tray.core.sessions import Activity, Question, Request, RequestKind
from tray.surfaces.control.overview import overview
from tray.surfaces.page.live import MAX_CHANGES, LiveView
from waiting import run, until_async

AT = 1_795_237_290_000
ASK = Request("per_1", "ses_1", RequestKind.PERMISSION, "bash", "rm -rf build", always=("rm *",), asked_at=AT)


class Watched:
    """A fleet with a live view of it."""

    def __init__(self) -> None:
        self.fleet = Fleet()
        self.problems: tuple[str, ...] = ()
        self.index = SessionIndex(self.fleet)
        self.live = LiveView(self.fleet, self.index, lambda: AT, lambda: self.problems)

    def apply(self, *events: Event) -> None:
        for event in events:
            self.live.changed(self.index.update(self.fleet.apply(event, AT)))


def connected(*ids: str) -> tuple[Event, ...]:
    sessions = tuple(SessionFacts(name, title=f"Title of {name}") for name in ids)
    return ServerConnected(SERVER), SnapshotTaken(SERVER.id, sessions)


def applied(frames: list[bytes], state: dict[str, Any] | None = None) -> tuple[dict[str, Any], int]:
    """Apply frames as a browser does; return its entries and the last sequence number."""
    entries, sequence = dict(state or {}), 0
    for text in frames:
        frame = json.loads(text)
        if frame["type"] == "view":
            entries = {}
        entries |= frame["set"]
        for key in frame.get("removed", ()):
            del entries[key]
        sequence = frame["seq"]
    return entries, sequence


def test_the_first_frame_is_whole_and_the_next_one_only_what_changed() -> None:
    watched = Watched()
    watched.apply(*connected("ses_1", "ses_2"))
    assert watched.live.update()
    whole, sequence = applied(watched.live.frames_after(None))
    assert set(whole) == {"summary", "order", "session:ses_1", "session:ses_2"}
    watched.apply(RequestAsked(SERVER.id, ASK))
    assert watched.live.update()
    (frame,) = map(json.loads, watched.live.frames_after(sequence))
    assert (frame["type"], frame["seq"]) == ("change", sequence + 1)
    assert set(frame["set"]) == {"summary", "order", "session:ses_1"}
    assert frame["set"]["summary"]["tooltip"] == "1 needs you · 1 idle"
    assert frame["set"]["order"][0] == "ses_1"


def test_nothing_is_sent_when_nothing_differs() -> None:
    watched = Watched()
    watched.apply(*connected("ses_1"))
    assert watched.live.update()
    watched.live.changed(["ses_1", "unknown"])
    assert not watched.live.update()
    assert watched.live.frames_after(watched.live.sequence) == []


def test_a_problem_of_the_tray_is_shown() -> None:
    watched = Watched()
    watched.live.update()
    watched.problems = ("cannot write the\ncache",)
    watched.live.changed(())
    assert watched.live.update()
    assert applied(watched.live.frames_after(None))[0]["summary"]["problems"] == ["cannot write the cache"]


def test_nothing_waits_while_the_agent_is_not_connected() -> None:
    watched = Watched()
    watched.apply(*connected("ses_1"), RequestAsked(SERVER.id, ASK), ServerLost(SERVER.id))
    watched.live.update()
    state, _ = applied(watched.live.frames_after(None))
    assert state["summary"]["waiting"] == 0
    assert state["session:ses_1"]["status"] == "disconnected"
    assert state["session:ses_1"]["requests"] == []
    (row,) = overview(watched.fleet, watched.index, AT)["rows"]
    assert row["requests"] == []
    watched.apply(ServerConnected(SERVER), SnapshotTaken(SERVER.id, (SessionFacts("ses_1"),), permissions=(ASK,)))
    watched.live.update()
    state, _ = applied(watched.live.frames_after(None))
    assert [request["id"] for request in state["session:ses_1"]["requests"]] == ["per_1"]


def test_a_removed_session_is_named() -> None:
    watched = Watched()
    watched.apply(*connected("ses_1"))
    watched.live.update()
    sequence = watched.live.sequence
    watched.apply(SessionDeleted(SERVER.id, "ses_1"))
    watched.live.update()
    (frame,) = map(json.loads, watched.live.frames_after(sequence))
    assert frame["removed"] == ["session:ses_1"]


def test_a_browser_that_missed_too_much_gets_the_whole_view() -> None:
    watched = Watched()
    watched.apply(*connected("ses_1"))
    watched.live.update()
    first = watched.live.sequence
    for number in range(MAX_CHANGES + 1):
        watched.apply(SessionReported(SERVER.id, SessionFacts("ses_1", title=f"Title {number}")))
        assert watched.live.update()
    assert [json.loads(frame)["type"] for frame in watched.live.frames_after(first)] == ["view"]
    assert len(watched.live.frames_after(first + 1)) == MAX_CHANGES
    assert json.loads(watched.live.frames_after(watched.live.sequence + 5)[0])["type"] == "view"


def test_a_request_shows_all_that_is_asked_and_the_digest_of_it() -> None:
    watched = Watched()
    watched.apply(*connected("ses_1"), RequestAsked(SERVER.id, ASK))
    watched.live.update()
    whole, _ = applied(watched.live.frames_after(None))
    (request,) = whole["session:ses_1"]["requests"]
    assert (request["detail"], request["always"], request["seen"]) == ("rm -rf build", ["rm *"], digest(SERVER.id, ASK))
    assert (request["readable"], request["may_be_always"], request["read_only"]) == (True, True, "")


@pytest.mark.parametrize(
    "other",
    [
        replace(ASK, detail="rm -rf /"),
        replace(ASK, always=("*",)),
        replace(ASK, title="edit"),
        replace(ASK, id="per_2"),
        replace(ASK, session="ses_2"),
        replace(ASK, complete=False),
        replace(ASK, questions=(Question("Sure?"),)),
    ],
)
def test_the_digest_changes_with_everything_that_is_asked(other: Request) -> None:
    assert digest("s", ASK) != digest("s", other)
    assert digest("s", ASK) != digest("t", ASK)


def test_the_digest_ignores_the_progress_of_an_answer() -> None:
    assert digest("s", replace(ASK, sending=True, refusal="no", draft=(("a",),), asked_at=1)) == digest("s", ASK)


@pytest.mark.parametrize("detail", ["a\u202eb", "a\u200bb", "a\x00b"])
def test_a_request_with_hidden_characters_may_not_be_allowed(detail: str) -> None:
    watched = Watched()
    watched.apply(*connected("ses_1"), RequestAsked(SERVER.id, replace(ASK, detail=detail)))
    watched.live.update()
    (request,) = applied(watched.live.frames_after(None))[0]["session:ses_1"]["requests"]
    assert (request["readable"], request["may_be_always"]) == (False, False)


def test_subagents_are_below_their_root_session() -> None:
    watched = Watched()
    watched.apply(
        *connected("ses_1"),
        SessionReported(SERVER.id, SessionFacts("ses_2", parent="ses_1", title="Explore")),
        SessionReported(SERVER.id, SessionFacts("ses_3", parent="ses_2", title="Deeper")),
    )
    watched.live.update()
    whole, _ = applied(watched.live.frames_after(None))
    assert whole["order"] == ["ses_1"]
    assert [(c["id"], c["depth"]) for c in whole["session:ses_1"]["children"]] == [("ses_2", 1), ("ses_3", 2)]


@given(event_sequences)
@settings(max_examples=60, deadline=None)
def test_changes_lead_to_the_same_entries_as_the_whole_view(events: list[tuple[Event, int]]) -> None:
    watched = Watched()
    watched.live.update()
    state, sequence = applied(watched.live.frames_after(None))
    for event, _ in events:
        watched.apply(event)
        watched.live.update()
        frames = watched.live.frames_after(sequence)
        if frames:
            state, sequence = applied(frames, state)
    assert state == applied(watched.live.frames_after(None))[0]


def test_without_a_viewer_nothing_is_computed_and_with_one_the_first_change_comes_at_once() -> None:
    async def test() -> None:
        watched = Watched()
        watched.apply(*connected("ses_1"))
        assert watched.live.sequence == 0
        viewer = watched.live.watch()
        assert watched.live.sequence == 1
        await asyncio.sleep(0.15)  # the pause after which a change is sent at once
        started = asyncio.get_running_loop().time()
        watched.apply(ActivityReported(SERVER.id, "ses_1", Activity.BUSY))
        await until_async(viewer.is_set)
        assert asyncio.get_running_loop().time() - started < 0.1
        watched.live.unwatch(viewer)
        sequence = watched.live.sequence
        watched.apply(RequestAsked(SERVER.id, ASK), RequestClosed(SERVER.id, "ses_1", "per_1"))
        await asyncio.sleep(0)
        assert watched.live.sequence == sequence

    run(test())
