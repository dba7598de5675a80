"""A program that runs another one, and ends it when its own input ends: then the tray has ended, in whatever way.

The other program is the arguments. It gets no input, and writes to the same output.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading

END_TIME = 1.0  # s that the other program gets before it is killed; cloudflared would take up to 30
NOT_FOUND = 127


def main() -> int:
    """Return the exit code of the other program."""
    try:
        process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    except OSError as error:
        sys.stderr.write(f"{error.strerror}\n")
        return NOT_FOUND
    threading.Thread(target=_end_with_input, args=(process,), daemon=True).start()
    return process.wait()


def _end_with_input(process: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):  # not through sys.stdin: a daemon thread that holds its lock disturbs the exit
        pass
    process.terminate()
    try:
        process.wait(END_TIME)
    except subprocess.TimeoutExpired:
        process.kill()


if __name__ == "__main__":
    sys.exit(main())
