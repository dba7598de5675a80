"""Turns that cost much or work long are noticed once."""

from __future__ import annotations

from msgspec.structs import replace

from replay import SERVER
from tray.core.events import (
    ActivityReported,
    Event,
    RequestAsked,
    ServerConnected,
    SessionFacts,
    SessionReported,
    SnapshotTaken,
)
from tray.core.fleet import Fleet
from tray.core.messages import Tokens
from tray.core.runaway import RunawayTurns, TurnLimits
from tray.core.servers import Source
from tray.core.session_index import SessionIndex
from tray.core.sessions import Activity, Request, RequestKind

MINUTE = 60_000
LIMITS = TurnLimits(5, 30 * MINUTE)


class Story:
    def __init__(self) -> None:
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.turns = RunawayTurns()
        self.apply(ServerConnected(SERVER), SnapshotTaken(SERVER.id))
        self.cost(1.0)

    def apply(self, *events: Event, at: int = 0) -> None:
        for event in events:
            self.index.update(self.fleet.apply(event, at))

    def cost(self, dollars: float) -> None:
        self.apply(SessionReported(SERVER.id, SessionFacts("ses", cost=dollars, tokens=Tokens(1))))

    def activity(self, activity: Activity, at: int) -> None:
        self.apply(ActivityReported(SERVER.id, "ses", activity), at=at)

    def notices(self, at: int, limits: TurnLimits = LIMITS) -> list[str]:
        return [text for _, text in self.turns.notices(self.index.rows(), limits, at)]


def test_a_turn_that_costs_more_than_the_limit_is_noticed_once() -> None:
    story = Story()
    story.activity(Activity.BUSY, 1)
    assert story.notices(1) == []
    story.cost(6.0)
    assert story.notices(2) == []  # exactly the limit
    story.cost(6.5)
    assert story.notices(3) == ["This turn has cost $5.50 so far"]
    story.cost(9.0)
    assert story.notices(4) == []
    story.activity(Activity.IDLE, 5)
    assert story.notices(5) == []
    story.activity(Activity.BUSY, 6)
    assert story.notices(6) == []
    story.cost(15.0)
    assert len(story.notices(7)) == 1


def test_a_turn_that_works_longer_than_the_limit_is_noticed_once() -> None:
    story = Story()
    story.activity(Activity.BUSY, 1)
    assert story.notices(30 * MINUTE) == []
    assert story.notices(31 * MINUTE) == ["This turn has been working for 30m"]
    assert story.notices(60 * MINUTE) == []


def test_a_turn_of_another_user_is_not_noticed() -> None:
    story = Story()
    story.activity(Activity.BUSY, at=1000)
    story.apply(ServerConnected(replace(SERVER, source=Source.TEAM, refusal="not named")), SnapshotTaken(SERVER.id))
    assert story.turns.notices(story.index.rows(), LIMITS, 1000 + 31 * MINUTE) == []


def test_a_turn_that_waits_for_the_user_does_not_work() -> None:
    story = Story()
    story.activity(Activity.BUSY, 1)
    story.apply(RequestAsked(SERVER.id, Request("per", "ses", RequestKind.PERMISSION, "bash", "ls")))
    assert story.notices(60 * MINUTE) == []


def test_limits_of_0_are_off() -> None:
    story = Story()
    story.activity(Activity.BUSY, 1)
    story.notices(1, TurnLimits())
    story.cost(1000.0)
    assert story.notices(600 * MINUTE, TurnLimits()) == []
