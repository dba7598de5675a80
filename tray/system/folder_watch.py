"""Being told when files change, by the platform's own notifications; no looking again and again."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import (
    DirCreatedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileOpenedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver, ObservedWatch

log = logging.getLogger(__name__)

ARRIVALS: tuple[type[FileSystemEvent], ...] = (
    DirCreatedEvent,
    FileCreatedEvent,
    FileOpenedEvent,
)  # a program starts to use it
CHANGES: tuple[type[FileSystemEvent], ...] = (FileCreatedEvent, FileModifiedEvent)


class FolderWatch(FileSystemEventHandler):
    """Watches folders, not what lies deeper. `changed` is called on the loop's thread, once for each `follow`.

    A database under load changes a hundred times a second, and each is work for a watcher: so `rest` after the first.
    """

    def __init__(self, kinds: tuple[type[FileSystemEvent], ...], changed: Callable[[], None]) -> None:
        self._kinds = list(kinds)
        self._changed = changed
        self._observer: BaseObserver | None = None
        self._watches: dict[Path, ObservedWatch] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = False

    def follow(self, folders: Collection[Path]) -> None:
        """Watch these from now on, and no others; in place of one that is not there the nearest one above it."""
        if self._observer is None:
            self._loop = asyncio.get_running_loop()
            logging.getLogger("watchdog.observers.inotify").addFilter(_is_news)
            self._observer = Observer()
            self._observer.start()
        self._told = False
        nearest = (next(filter(_is_folder, (folder, *folder.parents)), None) for folder in folders)
        wanted = {folder for folder in nearest if folder is not None}
        for folder in self._watches.keys() - wanted:
            self._observer.unschedule(self._watches.pop(folder))
        for folder in wanted - self._watches.keys():
            try:
                self._watches[folder] = self._observer.schedule(self, str(folder), event_filter=self._kinds)
            except OSError as error:  # out of inotify watches, say
                log.warning("%s cannot be watched: %s", folder, error)

    def rest(self) -> None:
        """Watch nothing for now."""
        if self._observer is not None:
            self._observer.unschedule_all()
            self._watches.clear()

    def stop(self) -> None:
        """End the threads."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(1)
            self._observer = None

    def on_any_event(self, event: FileSystemEvent) -> None:
        """On a thread of the library's."""
        if isinstance(event, FileOpenedEvent) and Path(os.fsdecode(event.src_path)).is_dir():
            return  # somebody lists the folder, ourselves perhaps
        if not self._told and self._loop is not None:
            self._told = True
            try:
                self._loop.call_soon_threadsafe(self._changed)
            except RuntimeError:
                return  # the loop is closed


def _is_news(record: logging.LogRecord) -> bool:
    """Whether it is more than that a watch was ended as a change came: watchdog logs that as an error, to no harm."""
    return "when the thread is inactive" not in record.getMessage()


def _is_folder(path: Path) -> bool:
    """Whether it is one that we can see: of a container, or another user's, we may not."""
    try:
        return path.is_dir()
    except OSError:
        return False
