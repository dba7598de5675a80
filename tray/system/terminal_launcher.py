"""Becomes the program that a job file names: `python -I launch.py JOB`, in a terminal that was just opened.

Every terminal reads its command line in a way of its own (a shell string, `$` expanded, `;` a separator), and some run
it with the environment of their first window. So each is given the same three plain words, and what is really to run
stands in the file: {"command": [...], "folder": ..., "environment": {...}}. That the file is gone tells that it runs.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Read the job, remove it, and become its program. A program that cannot be started is said, and waited with."""
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
            import subprocess  # noqa: PLC0415  # Windows cannot become another program

            sys.exit(subprocess.run(command, check=False).returncode)
        os.execvp(command[0], command)  # noqa: S606  # an argument list
    except OSError as error:
        print(f"OpenCode Tray could not start {command[0]}: {error}")  # noqa: T201  # this is a terminal
        input("Press Enter to close this window. ")


if __name__ == "__main__":
    main()
