"""Open files that other programs may have replaced: only regular files are read, and not more than was asked for.

Opening a pipe blocks until another program opens it as well, and a device may have no end.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from tray.files.retrying import retry

MAX_SIZE = 64_000_000  # bytes
_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
OPEN_INTERVAL = 0.01  # s between two attempts to open a file on Windows: the file may be one that stays in use
_FLAGS = os.O_RDONLY | _WITHOUT_WAITING | getattr(os, "O_BINARY", 0)


def is_regular(path: Path) -> bool:
    """Whether the file exists. Raises OSError if that cannot be found out, or if it is not a regular file."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return True


def exists(path: Path) -> bool:
    """Whether a file or folder is known to exist. `Path.exists` raises OSError in a folder of others, up to 3.13."""
    return os.path.exists(path)  # noqa: PTH110


def is_folder(path: Path) -> bool:
    """Whether it is known to be a folder. `Path.is_dir` raises OSError in a folder of others, up to Python 3.13."""
    return os.path.isdir(path)  # noqa: PTH112


def find_files(folder: Path, pattern: str) -> list[Path]:
    """Return what matches a pattern of `Path.glob`, as far as it can be read.

    `glob` raises OSError for a folder that is removed meanwhile and, up to Python 3.12, in a folder of others.
    """
    found: list[Path] = []
    with suppress(OSError):
        found.extend(folder.glob(pattern))
    return found


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading, without waiting. Raises OSError, also if it is not a regular file."""
    handle = retry(lambda: os.open(path, _FLAGS), interval=OPEN_INTERVAL)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path, limit: int = MAX_SIZE) -> bytes:
    """Return the content of a file. Raises OSError, also if it is longer than `limit` bytes or not a regular file."""
    with open_regular(path) as stream:
        return read_whole(stream, path, limit)


def read_whole(stream: BinaryIO, path: Path, limit: int = MAX_SIZE) -> bytes:
    """Return the content of a file that is open. Raises OSError, also if it is longer than `limit` bytes."""
    size = os.fstat(stream.fileno()).st_size
    content = stream.read(limit + 1) if size <= limit else b""
    if max(size, len(content)) > limit:
        raise OSError(errno.EFBIG, f"longer than {limit} bytes", str(path))
    return content


def seek_near_end(stream: BinaryIO, size: int, start: int = 0) -> int:
    """Go to the last `size` bytes of a file, but not before `start`; return the position."""
    return stream.seek(max(start, os.fstat(stream.fileno()).st_size - size))


def open_to_append(path: Path) -> int:
    """Open a file for appending, and return its handle. A new file can be read by its owner only.

    Raises OSError, also if it is a pipe that no program reads.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _WITHOUT_WAITING, 0o600)
    if sys.platform != "win32":
        os.set_blocking(handle, True)
    return handle
