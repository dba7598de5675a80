"""The text of a session: the duration of a tool, the time without activity, and retries."""

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
from tray.core.session_index import SessionIndex, SessionRow
from tray.core.sessions import Activity, Retry
from tray.surfaces.session_text import details, row_label

S = SERVER.id
MINUTE = 60_000


class SessionOverTime:
    """A busy session, to which events are applied as time passes."""

    def __init__(self) -> None:
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.at = 1_795_237_290_000
        self.apply(ServerConnected(SERVER), SnapshotTaken(S), SessionReported(S, SessionFacts("a", title="Work")))
        self.apply(ActivityReported(S, "a", Activity.BUSY))

    def apply(self, *events: Event) -> None:
        for event in events:
            self.index.update(self.fleet.apply(event, self.at))

    def after(self, minutes: float, *events: Event) -> str:
        self.at += int(minutes * MINUTE)
        self.apply(*events)
        return row_label(self.row, self.at)

    @property
    def row(self) -> SessionRow:
        row = self.index.row("a")
        assert row is not None
        return row


def test_a_long_running_tool_is_shown_with_its_duration() -> None:
    session = SessionOverTime()
    assert "bash" in session.after(0, ToolReported(S, "a", "bash", running=True))
    assert "bash for" not in session.after(1)
    assert "bash for 12m" in session.after(11)
    assert "edit for" not in session.after(0, ToolReported(S, "a", "edit", running=True))


def test_a_running_tool_that_is_reported_again_keeps_its_start_time() -> None:
    session = SessionOverTime()
    session.after(0, ToolReported(S, "a", "bash", running=True))
    assert "bash for 5m" in session.after(5, ToolReported(S, "a", "bash", running=True))


def test_a_long_time_without_activity_is_shown_until_the_next_output() -> None:
    session = SessionOverTime()
    assert "no activity" not in session.after(4)
    assert "no activity for 9m" in session.after(5)
    assert "no activity" not in session.after(0, OutputReported(S, "a", "", "I am here"))


def test_activity_of_a_subagent_counts_for_its_root_session() -> None:
    session = SessionOverTime()
    session.apply(SessionReported(S, SessionFacts("b", parent="a")), ActivityReported(S, "b", Activity.BUSY))
    assert "no activity" not in session.after(9, OutputReported(S, "b", "", "still here"))


def test_an_idle_session_is_not_shown_as_without_activity() -> None:
    session = SessionOverTime()
    assert "no activity" not in session.after(90, ActivityReported(S, "a", Activity.IDLE))
    assert "no activity" not in session.after(90)


def test_a_retry_shows_its_attempt_and_time() -> None:
    session = SessionOverTime()
    session.apply(ActivityReported(S, "a", Activity.RETRY, Retry(2, "overloaded", session.at + 30_000)))
    shown = dict(details(session.row, session.fleet, session.at))
    assert shown["next-retry"].startswith("Next retry at ")
    assert "attempt 2: overloaded" in shown["reason"]
