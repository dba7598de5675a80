"""What was used today, in a line."""

from __future__ import annotations

from tray.core.text import amount, counted
from tray.core.usage import Today
from tray.system.local_time import local_time


def today_line(today: Today, day_start: int) -> str:
    """The sums of the day that began at `day_start` (ms), and since when, if that is not its beginning.

    "" where nothing was used.
    """
    if not (today.sessions or today.tokens or today.cost):
        return ""
    whole = today.since <= day_start
    begun = None if whole else local_time(today.since)
    since = "Today" if begun is None else f"Since {begun:%H:%M}"
    return (
        f"{since}: {counted(today.sessions, 'session', 'sessions')} · {amount(today.tokens)} tokens · ${today.cost:.2f}"
    )
