"""Watch processes for their end, without polling (Linux 5.3 or newer; elsewhere nothing is watched)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection

from tray.system.terminal_processes import exit_descriptor

ProcessKey = tuple[int, float]  # pid and start time (s since the Unix epoch), because pids are reused


class ExitWatch:
    """Calls `on_exit` on the event loop after a watched process has ended."""

    def __init__(self, on_exit: Callable[[], None]) -> None:
        self._on_exit = on_exit
        self._descriptors: dict[ProcessKey, int] = {}

    def watch(self, processes: Collection[ProcessKey]) -> None:
        """Watch these processes instead of those before."""
        for key in self._descriptors.keys() - set(processes):
            self._close(key)
        for key in set(processes) - self._descriptors.keys():
            descriptor = exit_descriptor(key[0])
            if descriptor is not None:
                self._descriptors[key] = descriptor
                asyncio.get_running_loop().add_reader(descriptor, self._ended, key)

    def _ended(self, key: ProcessKey) -> None:
        self._close(key)
        self._on_exit()

    def _close(self, key: ProcessKey) -> None:
        descriptor = self._descriptors.pop(key)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
