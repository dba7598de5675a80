"""Find this user's Codex processes that have threads open."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from tray.agents.codex.home import CodexHome

NAMES = ("codex", "codex.exe")
HEADLESS = ("exec", "e", "review")  # commands that end with their turn


class CodexProcess(msgspec.Struct, frozen=True):
    """A process that has threads open, identified by pid and start time, because pids are reused."""

    pid: int
    started: float  # s since the Unix epoch
    runs_once: bool  # whether it ends with its turn
    rollouts: tuple[Path, ...]  # that it is writing
    is_new: bool  # whether a thread has no rollout yet: its first prompt creates it


def is_running(process: CodexProcess) -> bool:
    """Return whether the process has not ended."""
    try:
        found = psutil.Process(process.pid)
        return found.create_time() == process.started and found.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def newest_child(pid: int) -> float:
    """Return when the newest child of a process started, in s since the Unix epoch; 0.0 if it has none. Blocks."""
    newest = 0.0
    with suppress(psutil.Error):
        for child in psutil.Process(pid).children():
            with suppress(psutil.Error):
                if child.status() != psutil.STATUS_ZOMBIE:
                    newest = max(newest, child.create_time())
    return newest


def running_processes(home: CodexHome) -> list[CodexProcess]:
    """Return the processes with threads in this folder, the oldest first."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # OSError: Windows may refuse the name of a process
            if process.name().lower() in NAMES:
                found.append(_read(process, home))
    return sorted((process for process in found if process is not None), key=lambda process: process.started)


def _read(process: psutil.Process, home: CodexHome) -> CodexProcess | None:
    with process.oneshot():
        if sys.platform != "win32" and process.uids().real != os.getuid():
            return None
        files = [Path(file.path) for file in process.open_files()]
        folder = home.folder.resolve()
        own = [path for path in files if path.is_relative_to(folder)]
        locks = [path for path in own if path.parent.name == home.locks.name]
        rollouts = [path for path in own if path.suffix == ".jsonl" and path.name.startswith("rollout-")]
        words = [word for word in process.cmdline()[1:] if not word.startswith("-")]
        if not locks:
            return None
        return CodexProcess(
            process.pid,
            process.create_time(),
            runs_once=words[:1] != [] and words[0] in HEADLESS,
            rollouts=tuple(sorted(rollouts)),
            is_new=len(locks) > len(rollouts),
        )
