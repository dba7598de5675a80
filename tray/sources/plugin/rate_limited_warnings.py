"""Warnings that any connecting program can cause, logged at most once a second so that they do not fill the log."""

from __future__ import annotations

import asyncio
import logging

INTERVAL = 1.0  # s between two lines


class RateLimitedWarnings:
    """Logs the first warning at once; then, once in INTERVAL, the newest of the warnings since the last line.

    The line says how many there were. Call it on the thread of the running loop.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._timer: asyncio.TimerHandle | None = None
        self._held = 0  # warnings since the last line
        self._newest = ""

    def warn(self, line: str) -> None:
        """Log the line, or hold it back."""
        if self._timer is None:
            self._log.warning("%s", line)
            self._start_timer()
        else:
            self._held += 1
            self._newest = line

    def close(self) -> None:
        """Log the warnings that are held back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._log_held()

    def _start_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._log_held():
            self._start_timer()

    def _log_held(self) -> bool:
        """Log the newest of the warnings that are held back. Return whether there were any."""
        count, self._held = self._held, 0
        if count:
            self._log.warning("%s%s", self._newest, f" (the newest of {count} such lines)" if count > 1 else "")
        return count > 0
