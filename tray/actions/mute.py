"""Until when a mute holds."""

from __future__ import annotations

from datetime import datetime, timedelta

from typing_extensions import assert_never

from tray.core.choices import FOREVER, MuteSpan

MORNING = 8  # the local hour at which "until tomorrow" ends


def end_of(span: MuteSpan, at: int) -> int:
    """When a mute that begins at `at` ends; both in ms since the epoch."""
    match span:
        case MuteSpan.HALF_HOUR:
            return at + 30 * 60_000
        case MuteSpan.TWO_HOURS:
            return at + 120 * 60_000
        case MuteSpan.TOMORROW:
            tomorrow = datetime.fromtimestamp(at / 1000).astimezone() + timedelta(days=1)
            return int(tomorrow.replace(hour=MORNING, minute=0, second=0, microsecond=0).timestamp() * 1000)
        case MuteSpan.FOREVER:
            return FOREVER
        case _:
            assert_never(span)
