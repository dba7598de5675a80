"""The local day, in the time zone of this machine."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

EPOCH = date(1970, 1, 1)


def day_number(at: int) -> int:
    """Return the local date of a time in ms since the Unix epoch, in days since 1970-01-01."""
    return (datetime.fromtimestamp(at / 1000).date() - EPOCH).days  # noqa: DTZ006  # local by intent


def date_of(day: int) -> date:
    """Return the date of a number of days since 1970-01-01."""
    return EPOCH + timedelta(days=day)


def number_of(day: date) -> int:
    """Return a date in days since 1970-01-01."""
    return (day - EPOCH).days


def hours_of(day: int) -> list[int]:
    """Return the local hour of each hour of a day: 0 to 23, or without one and with one twice if the clock changes."""
    try:
        first, last = (datetime.combine(date_of(each), time()).timestamp() for each in (day, day + 1))
        return [datetime.fromtimestamp(at).hour for at in range(int(first), int(last), 3600)]  # noqa: DTZ006
    except (OSError, OverflowError, ValueError):  # Windows knows no local times before 1970
        return list(range(24))


def period_of(period: str, day: int) -> tuple[int, int]:
    """Return the first and the last day of the "day", "week" (from Monday) or "month" that a day is in."""
    today = date_of(day)
    first = last = today
    if period == "week":
        first = today - timedelta(days=today.weekday())
        last = first + timedelta(days=6)
    elif period == "month":
        first = today.replace(day=1)
        last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return number_of(first), number_of(last)
