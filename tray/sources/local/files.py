"""The files that OpenCode processes write to."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tray.files.reading import find_files
from tray.opencode.processes import OpenCodeProcess
from tray.opencode.sqlite import databases

Stamp = tuple[int, int]  # size in bytes, time of the last change in ns


def database_files(processes: Iterable[OpenCodeProcess]) -> list[Path]:
    """Return the databases that these processes may use."""
    names = dict.fromkeys((process.data, process.environment.get("OPENCODE_DB", "")) for process in processes)
    files: dict[Path, None] = {}
    for data, name in names:
        with suppress(OSError):
            files |= dict.fromkeys(databases(data, name))
    return list(files)


def folders_to_watch(processes: Iterable[OpenCodeProcess]) -> list[Path]:
    """Return the folders with the files of these processes."""
    processes = list(processes)
    folders = {process.data for process in processes} | {process.data / "log" for process in processes}
    return [*folders, *{file.parent for file in database_files(processes)}]


def file_stamps(processes: Iterable[OpenCodeProcess]) -> dict[Path, Stamp]:
    """Return the sizes and times of the databases and logs of these processes, which change with each write."""
    processes = list(processes)
    bases = database_files(processes)
    logs = [log for data in {process.data for process in processes} for log in find_files(data / "log", "*.log")]
    stamps = {}
    for file in (*bases, *(base.with_name(f"{base.name}-wal") for base in bases), *logs):
        with suppress(OSError):
            status = file.stat()
            stamps[file] = (status.st_size, status.st_mtime_ns)
    return stamps
