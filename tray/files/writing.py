"""Write files that hold secrets or state atomically, readable only by the owner."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

from tray.files.reading import open_regular, read_whole
from tray.files.retrying import TRIES, retry


def write_privately(path: Path, content: str | bytes, *, keep_mode: bool = False) -> None:
    """Write a file atomically with mode 0600; create its folder with mode 0700 if missing. Raises OSError.

    `keep_mode`: a file that exists keeps its mode.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600 from the start
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        if keep_mode and path.exists():
            shutil.copymode(path, name)
        move(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def move(source: str, path: Path, *, tries: int = TRIES, replace: Callable[[str, Path], object] = os.replace) -> None:
    """Replace `path` with the file `source`; retry while another program reads `path`. Raises OSError."""
    retry(lambda: replace(source, path), tries)


def remove(path: Path, *, tries: int = TRIES) -> None:
    """Remove a file if it exists; retry while another program reads it. Raises OSError."""
    retry(lambda: path.unlink(missing_ok=True), tries)


def place(source: Path, path: Path) -> None:
    """Give a new file its name, but never replace another one. Raises FileExistsError if there is one, and OSError.

    The link that replaces nothing on POSIX would be a second name on Windows, and one of two names of a file that
    another program reads cannot be removed there.
    """
    if sys.platform == "win32":
        retry(lambda: source.rename(path))
    else:
        os.link(source, path)
        source.unlink()


def set_aside(path: Path, *endings: str) -> Path:
    """Rename a file that cannot be used, so that nothing overwrites it; return its new path. Raises OSError.

    `endings` are those of the files that belong to it, such as "-wal".
    """
    stem = f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (path.with_name(f"{stem}-{number}" if number else stem) for number in count())
    renamed = next(name for name in names if not os.path.lexists(name))
    for ending in ("", *endings):
        file = path.with_name(path.name + ending)
        if file.exists():
            move(str(file), renamed.with_name(renamed.name + ending))
    return renamed


def set_aside_unreadable(path: Path, error: Exception) -> str:
    """Set aside a file that cannot be read; return the first part of a sentence that says so to the user."""
    try:
        return f"cannot read {path} ({error}); it was renamed to {set_aside(path).name}"
    except OSError:  # a read-only file system: nothing overwrites it either
        return f"cannot read {path} ({error})"


class NotPrivateError(PermissionError):
    """Other users can read or write a file that should be private."""


def read_privately(path: Path) -> bytes:
    """Return the content of a file that only the owner can read. Raises OSError, and NotPrivateError of that kind.

    On Windows, where the profile folder is protected, every file counts as private.
    """
    with open_regular(path) as file:
        if sys.platform != "win32" and os.fstat(file.fileno()).st_mode & 0o077:
            raise NotPrivateError(errno.EACCES, "other users can read it", str(path))
        return read_whole(file, path)
