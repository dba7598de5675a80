"""Timestamps out of range are treated as unknown and never raise, although the C library of Windows does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay import SERVER
from tray.actions.mute import mute_end, mute_end_text
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
from tray.core.session_index import EVERYTHING, SessionIndex
from tray.core.sessions import Activity, Retry
from tray.core.timestamps import EARLIEST, LATEST
from tray.sources.protocol.requests import PermissionInfo
from tray.sources.protocol.schema import MessageInfo, SessionInfo, StatusInfo
from tray.surfaces.menu.builder import ViewBuilder, ViewSettings
from tray.surfaces.menu.items import walk
from tray.system.local_time import local_time

NOW = 1_795_237_290_000
# A delay instead of a time, seconds instead of milliseconds, numbers that Windows raises for, and nonsense.
OUT_OF_RANGE = (-1, 1, 5_000, 86_399_999, NOW // 1000, 32_536_850_400_000, 2**53, 1e300, float("inf"), float("nan"))


@pytest.mark.parametrize("at", [EARLIEST, NOW, LATEST - 1])
def test_a_timestamp_is_converted_to_local_time(at: int) -> None:
    local = local_time(at)
    assert local == datetime.fromtimestamp(at / 1000, tz=UTC)
    assert local is not None
    assert local.tzinfo is not None


@pytest.mark.parametrize("number", OUT_OF_RANGE)
def test_a_number_out_of_range_has_no_local_time(number: float) -> None:
    assert local_time(number) is None


@given(st.floats() | st.integers())
def test_local_time_never_raises(number: float) -> None:
    assert local_time(number) is None or EARLIEST <= number < LATEST


@pytest.mark.parametrize("number", OUT_OF_RANGE[:-1])  # JSON has no NaN
def test_times_out_of_range_from_opencode_are_unknown(number: float) -> None:
    session: Any = {"id": "ses_1", "time": {"created": number, "updated": number}}
    facts = msgspec.convert(session, SessionInfo).to_core()
    assert (facts.created, facts.updated) == (None, None)
    status: Any = {"type": "retry", "attempt": 2, "message": "Overloaded", "next": number}
    activity, retry = msgspec.convert(status, StatusInfo).to_core()
    assert activity is Activity.RETRY
    assert retry is not None
    assert (retry.attempt, retry.next_at) == (2, 0)
    asked: Any = {"id": "per_1", "sessionID": "ses_1", "permission": "bash", "time": {"created": number}}
    assert msgspec.convert(asked, PermissionInfo).to_core(NOW).asked_at == 0


def test_a_completed_message_stays_completed_with_a_wrong_clock() -> None:
    message: Any = {"id": "msg_1", "role": "assistant", "time": {"created": 4_000, "completed": 5_000}}
    assert msgspec.convert(message, MessageInfo).to_core().completed == 5_000


@pytest.mark.parametrize("until", [1, 5_000, 32_536_850_400_000, FOREVER, 2**60])
def test_a_mute_with_an_end_out_of_range_lasts_until_unmuted(until: int) -> None:
    assert mute_end_text(until, 1_790_000_000_000) == "until you unmute"


@pytest.mark.parametrize("at", [-1, 5_000, NOW // 1000])
def test_until_tomorrow_is_a_day_when_the_clock_is_wrong(at: int) -> None:
    assert mute_end(MuteSpan.TOMORROW, at) == at + 24 * 3600_000


@pytest.mark.parametrize("number", [1, 5_000, 86_399_999, 32_536_850_400_000, 2**53, -(2**60)])
def test_a_view_can_be_built_with_any_timestamps(number: int) -> None:
    """The cache and our own clock are not checked by a decoder."""
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
