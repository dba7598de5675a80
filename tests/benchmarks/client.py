"""Measure the CPU time (user and system) of commands, beside an empty Python program.

    python tests/benchmarks/client.py [ROUNDS]

Prints medians, and the ratio to the empty Python of the same run. The tray runs in a private home folder.
"""

from __future__ import annotations

import compileall
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import tray
from tray_process import Home


def cpu(command: list[str], environment: dict[str, str], folder: Path) -> float:
    """Milliseconds of CPU that the command took. Raises CalledProcessError."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def main(rounds: int) -> None:
    compileall.compile_dir(Path(tray.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.tray()
        port = ("--port", str(home.port))
        program = [sys.executable, "-m", "tray"]
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import asyncio": [sys.executable, "-c", "import asyncio"],
            "--help": [*program, "--help"],
            "status": [*program, "status", *port],
            "status --json": [*program, "status", "--json", *port],
            "status --waybar": [*program, "status", "--waybar", *port],
            "unmute": [*program, "unmute", *port],
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        try:
            for _ in range(rounds):
                for name, command in commands.items():
                    taken[name].append(cpu(command, home.environment, Path(folder)))
        finally:
            home.stop()
    floor = statistics.median(taken["python -c pass"])
    print(f"{tray.__file__}, {rounds} rounds")
    for name, each in taken.items():
        middle = statistics.median(each)
        print(f"{name:<18} {middle:7.1f} ms  least {min(each):6.1f}  {middle / floor:5.1f} x an empty Python")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
