"""A program that runs another one, and ends it when its own input ends: then the tray has ended, in whatever way.

The other program is the arguments. It gets no input, and writes to the same output. This program has to be the first
one of a process group, unless on Windows.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

from tray.system.programs import NO_WINDOW

END_TIME = 1.0  # s that the other program gets before it is killed; cloudflared would take up to 30
NOT_FOUND = 127


def main() -> int:
    """Return the exit code of the other program."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # `_end_with_input` sends it to this process as well
    try:
        process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, creationflags=NO_WINDOW)
    except OSError as error:
        sys.stderr.write(f"{error.strerror}\n")
        return NOT_FOUND
    is_ending = threading.Event()
    threading.Thread(target=_end_with_input, args=(process, is_ending), daemon=True).start()
    code = process.wait()
    if is_ending.is_set() and sys.platform != "win32":
        os.killpg(0, signal.SIGKILL)  # what the program has started, and this process
    return code


def _end_with_input(process: subprocess.Popen[bytes], is_ending: threading.Event) -> None:
    while os.read(0, 4096):  # not through sys.stdin: a daemon thread that holds its lock disturbs the exit
        pass
    is_ending.set()
    if sys.platform != "win32":
        os.killpg(0, signal.SIGTERM)  # also what the program has started
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_TIME)
            return
    process.kill()


if __name__ == "__main__":
    sys.exit(main())
