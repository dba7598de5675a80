"""Limits of the user's plan, which Claude Code keeps in its state file, or reports when a request was refused.

Only these values of the file are decoded. Claude Code fetches them itself, for users with a subscription.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from tray.agents.transcripts import milliseconds
from tray.core.lenient_json import decode_or
from tray.core.numbers import moment
from tray.core.plan_limits import PlanLimit, window_name
from tray.files.reading import read_regular

MAX_AGE = 3600_000  # ms after which Claude Code does not use the values any more
MAX_SIZE = 20_000_000  # bytes of the file; a larger one is not read
DAYS = window_name(7 * 24 * 60)
NAMES = {
    "five_hour": window_name(5 * 60),
    "seven_day": DAYS,
    "seven_day_opus": f"{DAYS}, Opus",
    "seven_day_sonnet": f"{DAYS}, Sonnet",
}  # others are not shown


class _Window(msgspec.Struct):
    utilization: float | None = None  # in percent
    resets_at: str | None = None


class _Cached(msgspec.Struct, rename="camel"):
    fetched_at: float = msgspec.field(default=0, name="fetchedAtMs")
    utilization: dict[str, msgspec.Raw] = {}


class _State(msgspec.Struct):
    cached: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"{}"), name="cachedUsageUtilization")


class RefusedLimit(msgspec.Struct, rename="camel"):
    """The limit that a refused request has reached."""

    rate_limit_type: str = ""
    resets_at: float = 0  # s since the Unix epoch

    @property
    def limit(self) -> PlanLimit | None:
        """The limit; None if it is not of the plan."""
        name = NAMES.get(self.rate_limit_type)
        return PlanLimit(name, 100.0, moment(self.resets_at * 1000)) if name else None


class LimitsFile:
    """Reads the limits when the state file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_state = (0, 0)  # time of the last change and size of what was read
        self._cached = _Cached()

    def read(self, now: int) -> tuple[PlanLimit, ...]:
        """Return the limits that are known at `now`, in ms since the Unix epoch. Blocks."""
        try:
            status = self._path.stat()
            state = status.st_mtime_ns, status.st_size
            if state != self._read_state:
                self._cached = _cached(read_regular(self._path, MAX_SIZE))
                self._read_state = state
        except OSError:
            return ()
        if now - self._cached.fetched_at > MAX_AGE:
            return ()
        limits = (_limit(NAMES[key], raw) for key, raw in self._cached.utilization.items() if key in NAMES)
        return tuple(limit for limit in limits if limit is not None and limit.is_current(now))


def state_file(environment: Mapping[str, str], home: Path) -> Path:
    """Return Claude Code's state file: in CLAUDE_CONFIG_DIR, or beside its folder."""
    return Path(environment.get("CLAUDE_CONFIG_DIR") or home) / ".claude.json"


def with_refused(limits: tuple[PlanLimit, ...], refused: PlanLimit | None, now: int) -> tuple[PlanLimit, ...]:
    """Return the limits, with the one that a refused request has reached."""
    if refused is None or not refused.is_current(now):
        return limits
    return (refused, *(limit for limit in limits if limit.name != refused.name))


def _cached(raw: bytes) -> _Cached:
    state = decode_or(raw, _State, _State())
    return decode_or(bytes(state.cached), _Cached, _Cached())


def _limit(name: str, raw: msgspec.Raw) -> PlanLimit | None:
    window = decode_or(bytes(raw), _Window, _Window())
    if window.utilization is None:
        return None
    return PlanLimit(name, window.utilization, milliseconds(window.resets_at or ""))
