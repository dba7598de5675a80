"""Limits of the user's plan with the provider of the model, where the agent itself reports them."""

from __future__ import annotations

import msgspec

from tray.core.text import counted

MINUTES_OF_HOUR, MINUTES_OF_DAY = 60, 24 * 60


class PlanLimit(msgspec.Struct, frozen=True):
    """How much of a limit is used."""

    name: str  # "5 hours", "7 days" …
    used_percent: float
    resets_at: int = 0  # when the use starts again at zero, in ms since the Unix epoch; 0: not known

    def is_current(self, at: int) -> bool:
        """Whether the limit has not been reset before `at`."""
        return self.resets_at == 0 or at < self.resets_at


def window_name(minutes: int) -> str:
    """Return the name of a limit that is reset after this time: "5 hours", "7 days"."""
    for length, singular in ((MINUTES_OF_DAY, "day"), (MINUTES_OF_HOUR, "hour")):
        if minutes >= length and minutes % length == 0:
            return counted(minutes // length, singular, f"{singular}s")
    return f"{minutes} minutes"
