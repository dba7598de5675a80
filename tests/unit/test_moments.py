"""A time that cannot be one is unknown, and stops nobody: Windows' C library raises for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay import SERVER
from tray.actions.mute import end_of, when
from tray.core.commands import FOREVER, MuteSpan
from tray.core.events import (
    ActivityReported,
    MuteSet,
    ServerConnected,
    SessionFacts,
    SessionReported,
    SnapshotTaken,
)
from tray.core.fleet import Fleet
from tray.core.model import Activity, Retry
from tray.core.session_index import EVERYTHING, SessionIndex
from tray.core.timestamps import EARLIEST, LATEST
from tray.sources.protocol.schema import MessageInfo, PermissionInfo, SessionInfo, StatusInfo
from tray.surfaces.menu.builder import ViewBuilder, ViewSettings
from tray.surfaces.menu.items import walk
from tray.system.local_time import local_time

NOW = 1_795_237_290_000
# A delay in place of a time, seconds in place of milliseconds, what Windows raises for, and nonsense.
NO_MOMENTS = (-1, 1, 5_000, 86_399_999, NOW // 1000, 32_536_850_400_000, 2**53, 1e300, float("inf"), float("nan"))


@pytest.mark.parametrize("at", [EARLIEST, NOW, LATEST - 1])
def test_a_moment_is_told_as_it_is_here(at: int) -> None:
    told = local_time(at)
    assert told == datetime.fromtimestamp(at / 1000, tz=UTC)
    assert told is not None
    assert told.tzinfo is not None


@pytest.mark.parametrize("number", NO_MOMENTS)
def test_what_is_no_moment_has_no_time_of_day(number: float) -> None:
    assert local_time(number) is None


@given(st.floats() | st.integers())
def test_no_number_at_all_raises(number: float) -> None:
    assert local_time(number) is None or EARLIEST <= number < LATEST


@pytest.mark.parametrize("number", NO_MOMENTS[:-1])  # JSON knows no NaN
def test_what_opencode_tells_as_a_time_and_is_none_is_unknown(number: float) -> None:
    session: Any = {"id": "ses_1", "time": {"created": number, "updated": number}}
    facts = msgspec.convert(session, SessionInfo).known()
    assert (facts.created, facts.updated) == (None, None)
    status: Any = {"type": "retry", "attempt": 2, "message": "Overloaded", "next": number}
    activity, retry = msgspec.convert(status, StatusInfo).known()
    assert activity is Activity.RETRY
    assert retry is not None
    assert (retry.attempt, retry.next_at) == (2, 0)
    asked: Any = {"id": "per_1", "sessionID": "ses_1", "permission": "bash", "time": {"created": number}}
    assert msgspec.convert(asked, PermissionInfo).known(NOW).asked_at == 0


def test_an_answer_that_ended_has_ended_however_wrong_the_clock_is_there() -> None:
    message: Any = {"id": "msg_1", "role": "assistant", "time": {"created": 4_000, "completed": 5_000}}
    assert msgspec.convert(message, MessageInfo).known().completed == 5_000


@pytest.mark.parametrize("until", [1, 5_000, 32_536_850_400_000, FOREVER, 2**60])
def test_a_mute_that_ends_at_no_moment_is_told(until: int) -> None:
    assert when(until, 1_790_000_000_000) == "until you unmute"


@pytest.mark.parametrize("at", [-1, 5_000, NOW // 1000])
def test_until_tomorrow_holds_about_a_day_when_the_clock_is_set_wrong(at: int) -> None:
    assert end_of(MuteSpan.TOMORROW, at) == at + 24 * 3600_000


@pytest.mark.parametrize("number", [1, 5_000, 86_399_999, 32_536_850_400_000, 2**53, -(2**60)])
def test_a_view_is_made_whatever_times_are_in_it(number: int) -> None:
    """Cached state and our own clock come by no decoder."""
    fleet = Fleet()
    index = SessionIndex(fleet)
    for event in (
        ServerConnected(SERVER),
        SnapshotTaken(SERVER.id),
        SessionReported(SERVER.id, SessionFacts("ses_1", created=number, updated=number)),
        ActivityReported(SERVER.id, "ses_1", Activity.RETRY, Retry(1, "Overloaded", number)),
        MuteSet(EVERYTHING, number),
    ):
        index.update(fleet.apply(event, NOW))
    for at in (NOW, number):
        labels = [item.label for item in walk(ViewBuilder(fleet, index).build(ViewSettings(), at).menu)]
        assert "Notifications muted" in labels
        assert any("Overloaded" in label for label in labels)
        assert not any("Next retry" in label for label in labels)
