"""Writing files that hold secrets or state: whole or not at all, for the owner alone."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# Windows replaces no file that somebody reads, an antivirus program say; such a look takes some milliseconds.
TRIES = 10 if sys.platform == "win32" else 1
TRY_EVERY = 0.05  # s


def write_privately(path: Path, text: str) -> None:
    """Write the whole file or nothing: mode 0600, made in place by a rename. Its folder is made 0700 if it is new."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600 from the start
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        move(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def move(fresh: str, path: Path, *, tries: int = TRIES, replace: Callable[[str, Path], object] = os.replace) -> None:
    """Put a file in another's place; wait while somebody reads that one. Raises OSError."""
    for _ in range(tries - 1):
        try:
            replace(fresh, path)
        except PermissionError:
            time.sleep(TRY_EVERY)
        else:
            return
    replace(fresh, path)


def is_private(path: Path) -> bool:
    """Whether no other user can read the file. On Windows the profile folder's own permissions see to that."""
    return sys.platform == "win32" or (path.stat().st_mode & 0o077) == 0
