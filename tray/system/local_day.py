"""The days of this machine's clock: from midnight to midnight, however many hours that is."""

from __future__ import annotations

from datetime import date, datetime, timedelta

ASKED_EVERY = 15 * 60_000  # ms; the zone may be changed while we run


class LocalDay:
    """Tells when the day of a moment began; asks the system seldom."""

    def __init__(self) -> None:
        self._start = self._until = self._asked = 0

    def start(self, at: int) -> int:
        """When the local day of `at` began; both in ms since the Unix epoch."""
        if not max(self._start, self._asked) <= at < min(self._until, self._asked + ASKED_EVERY):
            day = datetime.fromtimestamp(at / 1000).date()  # noqa: DTZ006  # the local date is what is wanted
            self._start, self._until = _midnight(day), _midnight(day + timedelta(days=1))
            self._asked = at
        return self._start


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day).timestamp() * 1000)  # noqa: DTZ001
