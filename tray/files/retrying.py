"""Try again what fails on Windows while another program uses the same file, which takes some milliseconds.

A file that is read cannot be replaced there, such as by an antivirus program, and one that is being renamed cannot be
opened.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

TRIES = 10 if sys.platform == "win32" else 1
RETRY_INTERVAL = 0.05  # s

T = TypeVar("T")


def retry(work: Callable[[], T], tries: int = TRIES, interval: float = RETRY_INTERVAL) -> T:
    """Return the result of `work`, which is called again, at most `tries` times, after a PermissionError."""
    for _ in range(tries - 1):
        try:
            return work()
        except PermissionError:
            time.sleep(interval)
    return work()
