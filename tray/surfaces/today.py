"""What was used today, in a line."""

from __future__ import annotations

from datetime import datetime

from tray.core.text import amount
from tray.core.usage import Today


def today_line(today: Today, day_start: int) -> str:
    """The sums of the day that began at `day_start` (ms), and since when, if that is not its beginning."""
    whole = today.since <= day_start
    since = "Today" if whole else f"Since {datetime.fromtimestamp(today.since / 1000).astimezone():%H:%M}"
    plural = "" if today.sessions == 1 else "s"
    return f"{since}: {today.sessions} session{plural} · {amount(today.tokens)} tokens · ${today.cost:.2f}"
