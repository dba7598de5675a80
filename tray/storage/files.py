"""Writing files that hold secrets or state: whole or not at all, for the owner alone."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def write_privately(path: Path, text: str) -> None:
    """Write the whole file or nothing: mode 0600, made in place by a rename. Its folder is made 0700 if it is new."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600 from the start
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def is_private(path: Path) -> bool:
    """Whether no other user can read the file. On Windows the profile folder's own permissions see to that."""
    return sys.platform == "win32" or (path.stat().st_mode & 0o077) == 0
