"""Limits of the user's plan: from a snapshot to the details of a session and the JSON for scripts."""

from __future__ import annotations

import pytest

from replay import SERVER
from tray.core.events import ServerConnected, SessionFacts, SnapshotTaken
from tray.core.fleet import Fleet
from tray.core.plan_limits import PlanLimit, window_name
from tray.core.session_index import SessionIndex
from tray.surfaces.control.status_report import status_report
from tray.surfaces.session_text import details

AT = 1_795_237_290_000
HOUR = 3_600_000
LIMITS = (PlanLimit("5 hours", 36.6, AT + 2 * HOUR), PlanLimit("7 days", 12))


class Followed:
    """A server with one session, whose agent has reported limits."""

    def __init__(self, *limits: PlanLimit) -> None:
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        snapshot = SnapshotTaken(SERVER.id, sessions=(SessionFacts("a", title="Work"),), plan_limits=limits)
        for event in (ServerConnected(SERVER), snapshot):
            self.index.update(self.fleet.apply(event, AT))

    def shown(self, at: int = AT) -> list[str]:
        """Return the lines about limits in the details of the session."""
        row = self.index.row("a")
        assert row is not None
        return [text for key, text in details(row, self.fleet, at) if key.startswith("limit")]


def test_the_details_show_each_limit_until_it_is_reset() -> None:
    followed = Followed(*LIMITS)
    assert followed.shown() == ["Limit of 5 hours: 37 % used · resets in 2h", "Limit of 7 days: 12 % used"]
    assert followed.shown(AT + 2 * HOUR - 1000) == ["Limit of 5 hours: 37 % used", "Limit of 7 days: 12 % used"]
    assert followed.shown(AT + 2 * HOUR) == ["Limit of 7 days: 12 % used"]


def test_status_json_contains_the_limits_of_the_server() -> None:
    followed = Followed(LIMITS[0])
    (server,) = status_report(followed.fleet, followed.index)["servers"]
    assert server["plan_limits"] == [{"name": "5 hours", "used_percent": 36.6, "resets_at": AT + 2 * HOUR}]


def test_a_snapshot_without_limits_keeps_those_of_the_last_one_and_an_empty_list_removes_them() -> None:
    followed = Followed(*LIMITS)
    followed.fleet.apply(SnapshotTaken(SERVER.id), AT)
    assert followed.fleet.servers[SERVER.id].plan_limits == LIMITS
    followed.fleet.apply(SnapshotTaken(SERVER.id, plan_limits=()), AT)
    assert followed.fleet.servers[SERVER.id].plan_limits == ()


@pytest.mark.parametrize(
    ("minutes", "name"),
    [(300, "5 hours"), (60, "1 hour"), (10_080, "7 days"), (1440, "1 day"), (90, "90 minutes")],
)
def test_a_limit_is_named_by_the_time_after_which_it_is_reset(minutes: int, name: str) -> None:
    assert window_name(minutes) == name
