"""How plugins reconnect after a restart of the tray: how many are refused, and when all are connected.

python tests/benchmarks/restart.py [--links N] [--away SECONDS] [--plugin FILE]
Needs the OpenCode of the tests, whose runtime (Bun) runs the plugins: other runtimes have other WebSockets.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fakes import TOKEN, RunningListener  # noqa: E402  # the path is set above
from opencode import NEWEST, installed  # noqa: E402
from tray_process import free_port  # noqa: E402
from waiting import until_async  # noqa: E402  # the path is set above

DEADLINE = 60.0  # s


class Refusals(logging.Handler):
    """Counts the refused connections that the listener logs."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if "are waiting for authentication" in line:
            many = re.search(r"newest of (\d+)", line)
            self.count += int(many[1]) if many else 1
            self.lines += 1


async def measure(links: int, away: float, port: int, refusals: Refusals) -> str:
    first = RunningListener()
    await first.listener.start("127.0.0.1", port)
    await until_async(lambda: len(first.listener.connections) == links, deadline=DEADLINE)
    await first.listener.stop()
    refusals.count = refusals.lines = 0
    await asyncio.sleep(away)
    second = RunningListener()
    await second.listener.start("127.0.0.1", port)
    begin, half = time.monotonic(), 0.0
    while len(second.listener.connections) < links:
        await asyncio.sleep(0.01)
        half = half or (time.monotonic() - begin) * (len(second.listener.connections) >= links / 2)
    back = time.monotonic() - begin
    await second.listener.stop()
    return (
        f"{refusals.count} refused in {refusals.lines} lines; half back {half:.1f} s, all {back:.1f} s after the start"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--links", type=int, default=100)
    parser.add_argument("--away", type=float, default=0.3, metavar="SECONDS", help="between end and start of the tray")
    parser.add_argument("--plugin", type=Path, default=ROOT / "plugin/opencode-tray.js")
    options = parser.parse_args()
    port, refusals, runtime = free_port(), Refusals(), installed(NEWEST)
    if runtime is None:
        parser.error(f"OpenCode {NEWEST} is not installed; run packaging/check.py")
    logging.getLogger("tray").addHandler(refusals)
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "BUN_BE_BUN": "1",
            "OPENCODE_MONITOR_TOKEN": TOKEN,
            "OPENCODE_MONITOR_PORT": str(port),
        }
        script = Path(__file__).with_suffix(".mjs")
        command = [str(runtime), str(script), options.plugin.resolve().as_uri(), str(options.links)]
        plugins = subprocess.Popen(command, env=environment)
        try:
            result = asyncio.run(measure(options.links, options.away, port, refusals))
        finally:
            plugins.kill()
            plugins.wait()
    print(f"{options.links} links, away {options.away:g} s: {result}")


if __name__ == "__main__":
    main()
