"""Measure the cost of reading sessions from local files: ten processes, 100,000 messages, at rest and under load.

`python tests/benchmarks/local.py [--seconds 30]`, in an environment with the project and pytest installed. The
baseline is a plain SELECT of one session in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from stored_sessions import Database, assistant, user
from tray.core.events import SnapshotTaken, SourceEvent
from tray.opencode.processes import OpenCodeProcess
from tray.sources.local.sessions import LocalSessions

PROCESSES, SESSIONS, MESSAGES = 10, 100, 1_000  # sessions and messages: old history
WRITES = 20  # transactions a second, of all processes together
WRITER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=5)
number = 0
while True:
    number += 1
    name = f"ses_{number % 10}"
    connection.execute("UPDATE session SET time_updated = time_updated + 1 WHERE id = ?", (name,))
    connection.execute("UPDATE part SET time_updated = time_updated + 1 WHERE session_id = ?", (name,))
    time.sleep(1 / float(sys.argv[2]))
"""


def now() -> int:
    return time.time_ns() // 1_000_000


def made(data: Path) -> list[OpenCodeProcess]:
    """Create the database and return ten processes that each work on one of its sessions."""
    database = Database(data / "opencode.db")
    database.fill(SESSIONS, MESSAGES, 1)
    started = now() - 60_000
    for number in range(PROCESSES):
        name = f"ses_{number}"
        database.session(name, now(), directory=f"/srv/{number}")
        *_, last = database.messages(name, [user(started + 1), *(assistant(started + 2 + n) for n in range(20))])
        running = {"type": "tool", "tool": "bash", "state": {"status": "running", "input": {}, "metadata": {}}}
        database.parts(name, last, [{"type": "text", "text": "x " * 500}, running])
    database.close()  # the writer is another process
    (data / "log").mkdir()
    return [OpenCodeProcess(n + 1, started / 1000, f"/srv/{n}", (), data) for n in range(PROCESSES)]


async def measure(data: Path, seconds: float) -> None:
    processes = made(data)
    size = (data / "opencode.db").stat().st_size / 1e6
    print(f"{PROCESSES} processes, {SESSIONS * MESSAGES:,} messages, {size:.0f} MB")
    first = asyncio.Event()
    snapshots = 0

    def report(event: SourceEvent) -> None:
        nonlocal snapshots
        if isinstance(event, SnapshotTaken):
            snapshots += 1
            if snapshots == PROCESSES:
                first.set()

    local = LocalSessions(report, now)
    begun = time.perf_counter()
    running = asyncio.create_task(local.run())
    local.follow(processes, ())
    await first.wait()
    took = time.perf_counter() - begun
    begun = time.perf_counter()
    with closing(sqlite3.connect(f"file:{data}/opencode.db?mode=ro", uri=True)) as connection:
        connection.execute("SELECT * FROM session WHERE id = 'ses_1'").fetchall()
    baseline = time.perf_counter() - begun
    print(f"first reading {took * 1000:.0f} ms; opening and one SELECT {baseline * 1000:.1f} ms")
    await asyncio.sleep(3)
    for name in ("at rest", f"{WRITES} writes a second"):
        writer = None
        if name != "at rest":
            writer = subprocess.Popen([sys.executable, "-c", WRITER, str(data / "opencode.db"), str(WRITES)])  # noqa: ASYNC220
        await asyncio.sleep(1)
        cpu, before = time.process_time(), snapshots
        await asyncio.sleep(seconds)
        used = (time.process_time() - cpu) / seconds
        rate = (snapshots - before) / PROCESSES / seconds
        print(f"{name}: {100 * used:.2f} % of a core, {rate:.2f} snapshots per second")
        if writer is not None:
            writer.kill()
            writer.wait()
    running.cancel()
    await asyncio.wait([running])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), parser.parse_args().seconds))
