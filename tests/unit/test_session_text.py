"""Stalls told apart: who waits for a person, for a provider, for one long tool, or says nothing at all."""

from __future__ import annotations

from replay import SERVER
from tray.core.events import (
    ActivityReported,
    Event,
    OutputReported,
    ServerConnected,
    SessionFacts,
    SessionReported,
    SnapshotTaken,
    ToolReported,
)
from tray.core.fleet import Fleet
from tray.core.model import Activity, Retry
from tray.core.session_index import SessionIndex, SessionRow
from tray.surfaces.session_text import details, row_label

S = SERVER.id
MINUTE = 60_000


class Story:
    def __init__(self) -> None:
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.at = 1_795_237_290_000
        self.say(ServerConnected(SERVER), SnapshotTaken(S), SessionReported(S, SessionFacts("a", title="Work")))
        self.say(ActivityReported(S, "a", Activity.BUSY))

    def say(self, *events: Event) -> None:
        for event in events:
            self.index.update(self.fleet.apply(event, self.at))

    def after(self, minutes: float, *events: Event) -> str:
        self.at += int(minutes * MINUTE)
        self.say(*events)
        return row_label(self.row, self.at)

    @property
    def row(self) -> SessionRow:
        row = self.index.row("a")
        assert row is not None
        return row


def test_a_tool_that_runs_for_long_says_for_how_long() -> None:
    story = Story()
    assert "bash" in story.after(0, ToolReported(S, "a", "bash", running=True))
    assert "bash for" not in story.after(1)
    assert "bash for 12m" in story.after(11)
    assert "edit for" not in story.after(0, ToolReported(S, "a", "edit", running=True))


def test_a_tool_that_goes_on_is_no_new_one() -> None:
    story = Story()
    story.after(0, ToolReported(S, "a", "bash", running=True))
    assert "bash for 5m" in story.after(5, ToolReported(S, "a", "bash", running=True))


def test_silence_is_said_and_ends_with_the_next_word() -> None:
    story = Story()
    assert "silent" not in story.after(4)
    assert "silent for 9m" in story.after(5)
    assert "silent" not in story.after(0, OutputReported(S, "a", "", "I am here"))


def test_what_a_subagent_does_breaks_the_silence_of_its_root() -> None:
    story = Story()
    story.say(SessionReported(S, SessionFacts("b", parent="a")), ActivityReported(S, "b", Activity.BUSY))
    assert "silent" not in story.after(9, OutputReported(S, "b", "", "still here"))


def test_who_is_idle_is_not_called_silent() -> None:
    story = Story()
    assert "silent" not in story.after(90, ActivityReported(S, "a", Activity.IDLE))
    assert "silent" not in story.after(90)


def test_a_retry_says_when_it_is_tried_again() -> None:
    story = Story()
    story.say(ActivityReported(S, "a", Activity.RETRY, Retry(2, "overloaded", story.at + 30_000)))
    told = dict(details(story.row, story.fleet, story.at))
    assert told["again"].startswith("Tries again at ")
    assert "attempt 2: overloaded" in told["reason"]
