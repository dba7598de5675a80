"""Warnings that anybody who connects can cause: logged at most once a second, so that a crowd does not fill the log."""

from __future__ import annotations

import asyncio
import logging

PACE = 1.0  # s between two lines


class RateLimitedWarnings:
    """Logs the first at once, and then once in PACE the newest of those that came meanwhile, with their number.

    Lives on the running loop's thread.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._timer: asyncio.TimerHandle | None = None
        self._held = 0  # since the last line
        self._newest = ""

    def warn(self, line: str) -> None:
        """Log the line, or count it."""
        if self._timer is None:
            self._log.warning("%s", line)
            self._wait()
        else:
            self._held += 1
            self._newest = line

    def close(self) -> None:
        """Log what is still held back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tell()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(PACE, self._waited)

    def _waited(self) -> None:
        self._timer = None
        if self._tell():
            self._wait()

    def _tell(self) -> bool:
        count, self._held = self._held, 0
        if count:
            self._log.warning("%s%s", self._newest, f" (the newest of {count} such lines)" if count > 1 else "")
        return count > 0
