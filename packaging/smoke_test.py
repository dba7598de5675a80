#!/usr/bin/env python3
"""Start a built `opencode-tray`, ask it for its sessions, and stop it. Exit code 0 only if all of that works.

    python packaging/smoke_test.py PROGRAM [--icon]

It uses a home folder of its own. `--icon`: also show the icon, on a system with a tray.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

PORT = 41_999
TIMEOUT = 60  # s; virus scanners read a new program first


def main() -> None:
    """Run the program. Raises an error that says what has failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--icon", action="store_true")
    options = parser.parse_args()
    program = str(options.program.resolve())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        folders = (
            "HOME",
            "USERPROFILE",
            "LOCALAPPDATA",
            "APPDATA",
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
            "XDG_STATE_HOME",
        )
        environment = {**os.environ, **dict.fromkeys(folders, home), "OPENCODE_TRAY_PAGE_PORT": "0"}
        environment["WIN_PD_OVERRIDE_LOCAL_APPDATA"] = home  # platformdirs asks Windows, not the environment

        def run(*words: str) -> str:
            command = [program, *words, "--port", str(PORT)]
            done = subprocess.run(command, env=environment, capture_output=True, timeout=TIMEOUT, check=False)
            said = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
            if done.returncode != 0:
                raise SystemExit(f"{' '.join(words)} ended with {done.returncode}: {said}")
            return said

        command = [program, "run", "--port", str(PORT), *([] if options.icon else ["--headless"])]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as tray:
            assert tray.stdout is not None  # noqa: S101  # a pipe was asked for
            first = tray.stdout.readline().decode("utf-8", "replace")
            if "listens on" not in first:
                raise SystemExit(f"the tray does not start: {first}")
            print(run("status"))
            print(run("stop"))
            if tray.wait(TIMEOUT) != 0:
                raise SystemExit(f"the tray ended with {tray.returncode}")


if __name__ == "__main__":
    main()
