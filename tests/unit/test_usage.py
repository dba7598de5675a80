"""What was used today: only that, all of it that was seen, and each of it once."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from replay import SERVER, played, recording
from tray.core.events import (
    Change,
    Digest,
    MessageReported,
    Restored,
    ServerConnected,
    ServerForgotten,
    SessionDeleted,
    SessionFacts,
    SessionReported,
    SnapshotTaken,
    SourceEvent,
)
from tray.core.fleet import Fleet
from tray.core.model import Message, Tokens
from tray.core.usage import Today, Usage
from tray.sources.protocol.events import decode_event
from tray.storage.cache import encode_cache, read_cache, write_cache
from tray.surfaces.menu.usage_line import today_line
from tray.system.local_day import LocalDay

HOUR = 3600_000
DAY = 24 * HOUR
MIDNIGHT = 20_000 * DAY
NINE = MIDNIGHT + 9 * HOUR
S = SERVER.id
OTHER = replace(SERVER, id="other")


class Story:
    """A fleet, and what it uses, by a clock that the test moves."""

    def __init__(self, began: int = MIDNIGHT, day_start: int = MIDNIGHT) -> None:
        self.fleet = Fleet()
        self.usage = Usage(began, day_start)
        self.at, self.day_start = began, day_start
        self.tell(ServerConnected(SERVER))
        self.tell(SnapshotTaken(S))

    def tell(self, *events: SourceEvent | Restored) -> Today:
        for event in events:
            self.usage.apply(self.fleet.apply(event, self.at), self.at, self.day_start)
        return self.usage.today

    def go(self, at: int, day_start: int) -> Today:
        self.at, self.day_start = at, day_start
        self.usage.apply((), at, day_start)
        return self.usage.today


def used(
    name: str, steps: int, *, server: str = S, created: int = MIDNIGHT - DAY, parent: str | None = None
) -> SourceEvent:
    """A session as OpenCode 1.18 tells it that has used so many steps in all."""
    facts = SessionFacts(name, parent=parent, created=created, cost=0.5 * steps, tokens=Tokens(100 * steps))
    return SessionReported(server, facts)


def steps(count: int, sessions: int, since: int = MIDNIGHT) -> Today:
    return Today(sessions, 100 * count, pytest.approx(0.5 * count), since)


def test_an_older_session_counts_by_its_growth() -> None:
    story = Story()
    assert story.tell(used("a", 80)) == steps(0, 0)
    assert story.tell(used("a", 81), used("a", 81), used("a", 83)) == steps(3, 1)


def test_only_a_session_created_since_the_start_counts_completely() -> None:
    story = Story(began=NINE)
    assert story.tell(used("a", 2, created=NINE + 1)) == steps(2, 1, NINE)
    assert story.tell(used("b", 2, created=NINE - 1)) == steps(2, 1, NINE)
    assert story.tell(used("b", 3, created=NINE - 1)) == steps(3, 2, NINE)


def test_a_session_reported_late_does_not_count_its_whole_life() -> None:
    story = Story()
    story.tell(MessageReported(S, "a", Message("msg_1", "user")), SnapshotTaken(S, activities={"a": ("busy", None)}))  # type: ignore[dict-item]
    assert story.tell(used("a", 80), used("a", 81)) == steps(1, 1)


def test_older_messages_that_are_read_late_do_not_count() -> None:
    """OpenCode before 1.15 sums nothing: what a session used is known when its messages are read."""
    story = Story()
    story.tell(SnapshotTaken(S, sessions=(SessionFacts("a", created=MIDNIGHT - DAY),)))
    digest = Digest(80, 40.0, Tokens(8000), Message("msg_80", cost=0.5, tokens=Tokens(100)))
    assert story.tell(SnapshotTaken(S, sessions=(SessionFacts("a", digest=digest),))) == steps(0, 0)
    assert story.tell(MessageReported(S, "a", Message("msg_81", cost=0.5, tokens=Tokens(100)))) == steps(1, 1)


@pytest.mark.parametrize("order", [(S, OTHER.id), (OTHER.id, S)])
def test_a_session_that_two_servers_report_counts_once(order: tuple[str, str]) -> None:
    story = Story()
    story.tell(ServerConnected(OTHER), *(used("a", 80, server=server) for server in order))
    for total in (81, 83):
        story.tell(*(used("a", total, server=server) for server in order))
    story.tell(used("a", 85, server=order[0]), used("a", 84, server=order[1]), used("a", 85, server=order[1]))
    assert story.usage.today == steps(5, 1)


def test_a_removed_session_keeps_its_share_and_counts_once() -> None:
    story = Story()
    story.tell(used("a", 2, created=NINE), used("b", 1, created=NINE), SessionDeleted(S, "b"), ServerForgotten(S))
    assert story.usage.today == steps(3, 2)
    story.tell(ServerConnected(OTHER), used("a", 2, server=OTHER.id, created=NINE))
    assert story.usage.today == steps(3, 2)
    assert story.tell(used("a", 3, server=OTHER.id, created=NINE)) == steps(4, 2)


def test_a_subagent_adds_usage_but_is_not_counted_as_a_session() -> None:
    story = Story()
    assert story.tell(used("a", 1, created=NINE), used("c", 2, created=NINE, parent="a")) == steps(3, 1)


def test_reverted_messages_count_as_used() -> None:
    story = Story()
    assert story.tell(used("a", 80), used("a", 81), used("a", 79), used("a", 80)) == steps(2, 1)


@pytest.mark.parametrize("version", ["1.0.185", "1.1.65", "1.3.2", "1.18.33"])
def test_inherited_usage_of_a_fork_does_not_count(version: str) -> None:
    story = Story(began=0, day_start=0)
    session = max(played(version, "27_fork").fleet.sessions.values(), key=lambda one: one.created)
    story.usage.apply(played_changes(version), 1, 0)
    assert story.usage.today == Today(0, 0, 0.0, 0)
    assert session.inherited_cost > 0


def played_changes(version: str) -> list[Change]:
    fleet = Fleet()
    fleet.apply(ServerConnected(SERVER), 0)
    told = [
        event
        for line in recording(version, "27_fork")
        for event in decode_event(S, json.dumps(line["event"]).encode(), line["t"])
    ]
    return [change for event in told for change in fleet.apply(event, 1)]


def test_copies_that_are_detected_late_are_subtracted() -> None:
    story = Story()
    story.tell(used("a", 2, created=NINE))
    at = NINE
    for n in range(2):
        name = f"msg_{((at + n) << 12) % 2**48:012x}"
        story.tell(MessageReported(S, "a", Message(name, cost=0.5, tokens=Tokens(100), completed=at - 5000 + n)))
    assert story.usage.today == steps(0, 0)
    assert story.tell(used("a", 3, created=NINE)) == steps(1, 1)


def test_the_sums_restart_at_midnight_and_the_sessions_are_kept() -> None:
    story = Story()
    story.tell(used("a", 80), used("a", 85))
    tomorrow = MIDNIGHT + DAY
    assert story.go(tomorrow, tomorrow) == steps(0, 0, tomorrow)
    assert story.tell(used("a", 86)) == steps(1, 1, tomorrow)


@pytest.mark.parametrize("days", [1, -1, 40, -40])
def test_a_clock_that_jumps_forth_and_back_keeps_its_day(days: int) -> None:
    story = Story()
    story.tell(used("a", 80), used("a", 85))
    other = MIDNIGHT + days * DAY
    today = story.go(other + HOUR, other)
    assert (today.sessions, today.tokens) == (0, 0)
    assert today.since == (other if days > 0 else other + HOUR)  # of a day that began before, nothing is known
    assert story.go(NINE, MIDNIGHT) == steps(5, 1)
    assert story.tell(used("a", 86)) == steps(6, 1)


def test_another_time_zone_does_not_begin_another_day() -> None:
    story = Story()
    story.tell(used("a", 80), used("a", 85))
    assert story.go(NINE, MIDNIGHT - 2 * HOUR) == steps(5, 1)


def restarted(story: Story, path: Path, at: int, day_start: int) -> Story:
    write_cache(path, encode_cache(story.fleet, story.usage.kept))
    restored, problem = read_cache(path)
    assert (restored is not None, problem) == (True, None)
    assert restored is not None
    again = Story(at, day_start)
    again.fleet = Fleet()
    again.usage.restore(restored.usage, restored.sessions)
    again.tell(restored, ServerConnected(SERVER))
    return again


def test_a_restart_continues_the_sums_and_adds_the_usage_since(tmp_path: Path) -> None:
    story = Story(began=MIDNIGHT + HOUR)
    story.tell(used("a", 80), used("a", 85), used("b", 1, created=NINE - HOUR))
    again = restarted(story, tmp_path / "cache.json", NINE, MIDNIGHT)
    assert again.usage.today == steps(6, 2, MIDNIGHT + HOUR)
    assert again.tell(used("a", 87), used("b", 1, created=NINE - HOUR)) == steps(8, 2, MIDNIGHT + HOUR)


def test_usage_of_days_without_a_tray_does_not_count_today(tmp_path: Path) -> None:
    story = Story()
    story.tell(used("a", 80), used("a", 85))
    later = MIDNIGHT + 3 * DAY
    again = restarted(story, tmp_path / "cache.json", later + HOUR, later)
    assert again.tell(used("a", 95)) == steps(0, 0, later + HOUR)
    assert again.tell(used("a", 96)) == steps(1, 1, later + HOUR)


def test_the_line_names_its_start_if_that_is_not_midnight(zone: None) -> None:
    assert today_line(Today(3, 1_200_000, 4.1, MIDNIGHT), MIDNIGHT) == "Today: 3 sessions · 1.2M tokens · $4.10"
    assert today_line(Today(1, 0, 0.0, NINE + 12 * 60_000), MIDNIGHT).startswith("Since 11:12: 1 session · ")
    assert today_line(Today(0, 0, 0.0, MIDNIGHT), MIDNIGHT) == ""


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A zone with daylight saving."""
    if sys.platform == "win32":
        pytest.skip("its zone is the system's, not the environment's")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 29, 23), (10, 25, 25), (7, 1, 24)])
def test_a_day_may_be_23_or_25_hours_long(zone: None, month: int, day: int, hours: int) -> None:
    start = int(datetime(2026, month, day, tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1000)
    end = start + hours * HOUR
    local = LocalDay()
    assert [local.start(at) for at in (start, start + 4 * HOUR, end - 1, end, start - 1)] == [
        start, start, start, end, start - DAY,
    ]  # fmt: skip
    story = Story(start, start)
    story.tell(used("a", 80), used("a", 85))
    assert story.go(end - 1, local.start(end - 1)) == steps(5, 1, start)
    assert story.go(end, local.start(end)) == steps(0, 0, end)
