"""The menu's line with today's usage."""

from __future__ import annotations

from tray.core.history import UsageToday
from tray.core.text import amount, counted, money


def today_line(today: UsageToday) -> str:
    """Return the usage since local midnight; "" without any usage. A cost that is not known is left out."""
    if not today.sessions:
        return ""
    is_known = today.reported or not (today.estimated or today.unpriced)
    amounts = [money(today.reported)] if is_known else []
    amounts += [f"{money(today.estimated)} estimated"] if today.estimated else []
    sessions = counted(today.sessions, "session", "sessions")
    parts = (f"Today: {sessions}", f"{amount(today.tokens)} tokens", " + ".join(amounts))
    return " · ".join(part for part in parts if part)
