"""The local day, in the time zone of this machine."""

from __future__ import annotations

from datetime import date, datetime, timedelta

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
