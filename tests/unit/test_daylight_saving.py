"""Quiet hours and mutes in the nights in which the clock changes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tray.actions.mute import mute_end
from tray.core.commands import MuteSpan
from tray.core.quiet_hours import is_quiet
from tray.system.local_time import minute_of_day

if not hasattr(time, "tzset"):
    pytest.skip("Windows has no TZ variable, and no names of time zones", allow_module_level=True)

ZONE = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = (2026, 3, 29), (2026, 10, 25)  # the days on which 02:00 is 03:00, and 03:00 is 02:00

pytestmark = pytest.mark.fault


@pytest.fixture(autouse=True)
def berlin() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = ZONE.key
    time.tzset()
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.mark.parametrize(("day", "hours"), [(SPRING, 8), (AUTUMN, 10), ((2026, 6, 1), 9)])
def test_a_quiet_night_ends_by_the_clock_on_the_wall(day: tuple[int, int, int], hours: int) -> None:
    begin = datetime(*day, 22, tzinfo=ZONE) - timedelta(days=1)
    minutes = [ms(begin) + minute * 60_000 for minute in range(-60, 12 * 60)]
    quiet = [at for at in minutes if is_quiet("22:00-07:00", minute_of_day(at))]
    assert (quiet[0], len(quiet)) == (ms(begin), hours * 60)
    assert quiet[-1] + 60_000 == ms(datetime(*day, 7, tzinfo=ZONE))


def test_an_hour_that_there_is_twice_is_quiet_twice_and_one_that_is_left_out_never() -> None:
    for day, hours in ((SPRING, 0), (AUTUMN, 2)):
        minutes = [ms(datetime(*day, tzinfo=ZONE)) + minute * 60_000 for minute in range(25 * 60)]
        assert sum(is_quiet("02:00-03:00", minute_of_day(at)) for at in minutes) == hours * 60


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_a_mute_until_tomorrow_ends_at_eight_on_the_day_of_the_change_and_on_the_next(
    day: tuple[int, int, int],
) -> None:
    morning = datetime(*day, 8, tzinfo=ZONE)
    for start in (morning - timedelta(hours=10), datetime(*day, 1, 30, tzinfo=ZONE)):
        assert mute_end(MuteSpan.TOMORROW, ms(start)) == ms(morning)
    assert mute_end(MuteSpan.TOMORROW, ms(datetime(*day, 12, tzinfo=ZONE))) == ms(morning + timedelta(days=1))
