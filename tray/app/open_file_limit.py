"""The limit of open files: raised at the start as far as the system allows, and reported while it is reached."""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tray.app.problems import Problems

TOPIC = "open files"
WANTED = 4096  # files: connections of hundreds of agents; macOS gives programs of the desktop 256
CLEAR_AFTER = 30.0  # s; a loop that cannot accept a connection tries again each second
TEXT = "too many files are open, so new connections have to wait; raise the limit (ulimit -n) and restart the tray"


def raise_limit() -> None:
    """Raise the limit of this process to WANTED, if the system allows it."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # macOS may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class OpenFileLimit:
    """Reports that no connection can be accepted. asyncio would log that a hundred times a second."""

    def __init__(self, problems: Problems, monotonic: Callable[[], float]) -> None:
        self._problems = problems
        self._monotonic = monotonic
        self._reached_at: float | None = None

    def on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle an error of the loop."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE) and "socket" in context:
            self._reached_at = self._monotonic()
            self._problems.report(TOPIC, TEXT)
        else:
            loop.default_exception_handler(context)

    def check(self) -> None:
        """Remove the report if connections have been accepted for a while."""
        if self._reached_at is not None and self._monotonic() - self._reached_at > CLEAR_AFTER:
            self._reached_at = None
            self._problems.clear(TOPIC)
