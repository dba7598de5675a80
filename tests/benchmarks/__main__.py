"""Run all benchmarks. Exit code 1 if a cost grows faster than the number of sessions.

Run: `python tests/benchmarks`, with the project and pytest installed; about six minutes. Each prints its own table
with a baseline of the same run. Without a desktop, desktop.py is left out.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
DESKTOP = ("Xvfb", "xfce4-panel", "dbus-daemon")


def main() -> int:
    programs = ["bench.py", "client.py", "local.py", "agents.py", "growth.py"]
    if all(map(shutil.which, DESKTOP)):
        programs.insert(1, "desktop.py")
    else:
        print(f"desktop.py is left out: it needs {', '.join(DESKTOP)}")
    failed = []
    for name in programs:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, str(HERE / name)], check=False).returncode != 0:
            failed.append(name)
    for name in failed:
        print(f"failed: {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
