"""The menu's line with today's usage."""

from __future__ import annotations

from tray.core.text import amount, counted
from tray.core.usage import Today
from tray.system.local_time import local_time


def today_line(today: Today, day_start: int) -> str:
    """Return the usage of the day that began at `day_start` (ms); "" without any usage.

    If counting began later than the day, the line says from when on.
    """
    if not (today.sessions or today.tokens or today.cost):
        return ""
    counted_from = None if today.since <= day_start else local_time(today.since)
    period = "Today" if counted_from is None else f"Since {counted_from:%H:%M}"
    return (
        f"{period}: {counted(today.sessions, 'session', 'sessions')} · {amount(today.tokens)} tokens"
        f" · ${today.cost:.2f}"
    )
