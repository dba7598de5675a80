"""Run the command of a job file: `python -I terminal_launcher.py JOB`, inside a new terminal window.

Terminals parse their command line differently (a shell string, `$` expanded, `;` a separator), and some use the
environment of their first window. So every terminal gets the same plain words, and the job file holds the real command:
{"command": [...], "folder": ..., "environment": {...}}. The launcher removes the file, which shows that it was started.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Read and remove the job file, then exec its command. On an error, keep the window open until Enter is pressed."""
    path = Path(sys.argv[1])
    job = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    path.parent.rmdir()
    command = job["command"]
    os.environ.update(job["environment"])
    try:
        if job["folder"]:
            os.chdir(job["folder"])
        if sys.platform == "win32":
            import subprocess  # noqa: PLC0415  # Windows has no exec

            sys.exit(subprocess.run(command, check=False).returncode)
        os.execvp(command[0], command)  # noqa: S606  # an argument list
    except OSError as error:
        print(f"OpenCode Tray could not start {command[0]}: {error}")  # noqa: T201  # this is a terminal
        input("Press Enter to close this window. ")


if __name__ == "__main__":
    main()
