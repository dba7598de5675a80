"""A small file system of its own that can be filled and made read-only. Needs root on Linux."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def missing() -> str:
    """Return why there can be no small disk here; "" if there can be."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root on Linux can mount a file system"
    done = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True, check=False)
    return "" if done.returncode == 0 else "this container may not mount a file system"


class SmallDisk:
    """A mounted tmpfs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no byte free."""
        with self._filler.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Give the space back."""
        self._filler.unlink()

    def forbid_writes(self) -> None:
        """Make it read-only. No file may be open for writing."""
        self._remount("ro")

    def allow_writes(self) -> None:
        """Make it writable again."""
        self._remount("rw")

    def _remount(self, mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", self.folder], check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path, size: str = "4m") -> Iterator[SmallDisk]:
    """Mount an empty disk on a new folder, and remove it afterwards with all that it contains."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "small", folder], check=True)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=False)
