"""Run the command `opencode-tray`, and write what its process holds to a file at each SIGUSR1."""

from __future__ import annotations

import _sqlite3
import asyncio
import ctypes
import gc
import json
import os
import re
import signal
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tray.cli.main import main

LINES = 25  # of the program, that hold more memory than at the first signal

loops: list[asyncio.AbstractEventLoop] = []
first: list[tracemalloc.Snapshot] = []


def remember(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return a function that makes an event loop, and keeps it in `loops`."""

    def make() -> asyncio.AbstractEventLoop:
        loops.append(new_loop())
        return loops[-1]

    return make


MALLOC_FIELDS = (
    "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
)  # fmt: skip


class MallocInfo(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in MALLOC_FIELDS)


def malloc_used() -> int:
    """Return the bytes that the C library has handed out, after free memory was returned; 0 with another library."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.malloc_trim(0)
        library.mallinfo2.restype = MallocInfo
        info = library.mallinfo2()
        return int(info.uordblks + info.hblkhd)
    return 0


def sqlite_used() -> int:
    """Return the bytes that SQLite uses: up to 2 MB for each connection, for the pages of its database."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(_sqlite3.__file__)  # finds the functions of the libraries that it needs, too
        library.sqlite3_memory_used.restype = ctypes.c_int64
        return int(library.sqlite3_memory_used())
    return 0


def python_used() -> int:
    """Return the bytes that Python has handed out for small objects, which are not the C library's.

    Only a report that CPython writes to the standard error of the process names them.
    """
    with tempfile.TemporaryFile() as report:
        sys.stderr.flush()
        kept = os.dup(2)
        try:
            os.dup2(report.fileno(), 2)
            sys._debugmallocstats()  # noqa: SLF001  # documented, for CPython
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        report.seek(0)
        found = re.search(rb"# bytes in allocated blocks +=\s+([\d,]+)", report.read())
    return int(found[1].replace(b",", b"")) if found else 0


def write_counts(*_: Any) -> None:
    """Collect garbage, return free memory to the system, and write the counts to the file that SOAK_COUNTS names."""
    path = Path(os.environ["SOAK_COUNTS"])
    gc.collect()
    sqlite = sqlite_used()
    counts: dict[str, Any] = {
        "handed_out": malloc_used() + python_used() - sqlite,
        "sqlite": sqlite,
        "tasks": [task.get_name() for loop in loops if not loop.is_closed() for task in asyncio.all_tasks(loop)],
        "blocks": sys.getallocatedblocks(),
    }
    if tracemalloc.is_tracing():
        now = tracemalloc.take_snapshot()
        first.append(now)
        grown = now.compare_to(first[0], "lineno")
        counts["grown"] = [str(line) for line in grown if line.size_diff > 0][:LINES]
        del first[1:]
    new = path.with_suffix(".new")
    new.write_text(json.dumps(counts))
    new.replace(path)


if __name__ == "__main__":
    if hasattr(signal, "SIGUSR1") and "SOAK_COUNTS" in os.environ:
        asyncio.new_event_loop = remember(asyncio.new_event_loop)
        signal.signal(signal.SIGUSR1, write_counts)
        if "SOAK_TRACE" in os.environ:
            tracemalloc.start()
    sys.exit(main())
