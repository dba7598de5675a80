"""The local day, from midnight to midnight in the time zone of this machine."""

from __future__ import annotations

from datetime import date, datetime, timedelta

REFRESH_INTERVAL = 15 * 60_000  # ms; the time zone may change while the tray runs


class LocalDay:
    """Caches the bounds of the local day, which are expensive to compute for every event."""

    def __init__(self) -> None:
        self._start = self._until = self._computed_at = 0

    def start(self, at: int) -> int:
        """Return when the local day of `at` began; both in ms since the Unix epoch."""
        if not max(self._start, self._computed_at) <= at < min(self._until, self._computed_at + REFRESH_INTERVAL):
            day = datetime.fromtimestamp(at / 1000).date()  # noqa: DTZ006  # local by intent
            self._start, self._until = _midnight(day), _midnight(day + timedelta(days=1))
            self._computed_at = at
        return self._start


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day).timestamp() * 1000)  # noqa: DTZ001
