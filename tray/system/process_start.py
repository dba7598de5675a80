"""When a process started, which tells it from a later one with the same pid."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple


class ProcessStat(NamedTuple):
    """Fields of /proc/PID/stat (Linux, proc(5))."""

    state: str  # field 3; "Z" is a zombie
    start: str  # field 22, in clock ticks since the boot


def process_stat(pid: int) -> ProcessStat:
    """Read /proc/PID/stat. Raises OSError if there is no such process."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    fields = text.rpartition(")")[2].split()  # the name before, in parentheses, may contain spaces
    return ProcessStat(fields[0], fields[19])


def start_of(pid: int) -> str:
    """Return the start of a process; "" if it is not known."""
    try:
        return process_stat(pid).start
    except OSError:
        return ""


def is_running(pid: int, start: str) -> bool:
    """Return whether this user's process runs; `start` is that of its ProcessStat.

    Without /proc, or with an unknown start (""), any process with this pid counts.
    """
    if sys.platform != "linux":
        import psutil  # noqa: PLC0415  # slow to load

        return psutil.pid_exists(pid)
    try:
        stat = process_stat(pid)
        is_own = Path(f"/proc/{pid}").stat().st_uid == os.getuid()
    except OSError:
        return False
    return is_own and stat.state != "Z" and start in ("", stat.start)
