"""The text of a session: how long a tool has run, how long there was no activity, when OpenCode retries."""

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


def test_a_long_running_tool_is_shown_with_its_duration() -> None:
    story = Story()
    assert "bash" in story.after(0, ToolReported(S, "a", "bash", running=True))
    assert "bash for" not in story.after(1)
    assert "bash for 12m" in story.after(11)
    assert "edit for" not in story.after(0, ToolReported(S, "a", "edit", running=True))


def test_a_running_tool_that_is_reported_again_keeps_its_start_time() -> None:
    story = Story()
    story.after(0, ToolReported(S, "a", "bash", running=True))
    assert "bash for 5m" in story.after(5, ToolReported(S, "a", "bash", running=True))


def test_a_long_time_without_activity_is_shown_until_the_next_output() -> None:
    story = Story()
    assert "no activity" not in story.after(4)
    assert "no activity for 9m" in story.after(5)
    assert "no activity" not in story.after(0, OutputReported(S, "a", "", "I am here"))


def test_activity_of_a_subagent_counts_for_its_root_session() -> None:
    story = Story()
    story.say(SessionReported(S, SessionFacts("b", parent="a")), ActivityReported(S, "b", Activity.BUSY))
    assert "no activity" not in story.after(9, OutputReported(S, "b", "", "still here"))


def test_an_idle_session_is_not_shown_as_without_activity() -> None:
    story = Story()
    assert "no activity" not in story.after(90, ActivityReported(S, "a", Activity.IDLE))
    assert "no activity" not in story.after(90)


def test_a_retry_shows_its_attempt_and_time() -> None:
    story = Story()
    story.say(ActivityReported(S, "a", Activity.RETRY, Retry(2, "overloaded", story.at + 30_000)))
    shown = dict(details(story.row, story.fleet, story.at))
    assert shown["next-retry"].startswith("Next retry at ")
    assert "attempt 2: overloaded" in shown["reason"]
