"""Watch folders for changes with the platform's file notifications, without polling."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import (
    DirCreatedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileOpenedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.polling import PollingObserver

from tray.system.tasks import call_on_loop

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver, ObservedWatch

log = logging.getLogger(__name__)

POLL_INTERVAL = 2.0  # s between two looks at a folder for which the system gives no notifications

EventKinds = tuple[type[FileSystemEvent], ...]

# A program starts to use the folder.
OPEN_EVENTS: EventKinds = (DirCreatedEvent, FileCreatedEvent, FileOpenedEvent)
CHANGE_EVENTS: EventKinds = (FileCreatedEvent, FileModifiedEvent)
ENTRY_CHANGES: EventKinds = (  # the contents of files do not matter
    DirCreatedEvent, FileCreatedEvent, FileMovedEvent, FileDeletedEvent,
)  # fmt: skip
ALL_CHANGES: EventKinds = (*CHANGE_EVENTS, DirCreatedEvent, FileMovedEvent, FileDeletedEvent)


class FolderWatch(FileSystemEventHandler):
    """Watches folders, not their subfolders, for events of some kinds.

    `on_change` is called on the event loop for the first event after each call of `watch`.
    A database under load changes a hundred times a second, and every event costs time: call `pause` after the first.
    """

    def __init__(self, kinds: EventKinds, on_change: Callable[[], None]) -> None:
        self._kinds = kinds
        self._on_change = on_change
        self._observer: BaseObserver | None = None
        self._watches: dict[Path, tuple[EventKinds, ObservedWatch]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reported = False

    def watch(self, folders: Collection[Path]) -> None:
        """Watch these folders instead of those before. For a missing folder, watch its nearest existing parent.

        The parent is watched for new folders as well: one of them may be the missing one, or lead to it.
        On macOS that is not the home folder or one above it: FSEvents reports every change in all of their subfolders,
        which would wake us all the time. The callers look again from time to time anyway.
        """
        if self._observer is None and not folders:
            return  # an observer is two threads
        if self._observer is None:
            self._loop = asyncio.get_running_loop()
            logging.getLogger("watchdog.observers.inotify").addFilter(_is_relevant)
            self._observer = _new_observer()
            self._observer.start()
        self._reported = False
        wanted: dict[Path, EventKinds] = {}
        for folder in folders:
            nearest = next(filter(is_folder, (folder, *folder.parents)), None)
            if nearest is not None and nearest not in _too_wide():
                kinds = self._kinds if nearest == folder else (*self._kinds, DirCreatedEvent)
                wanted[nearest] = max(kinds, wanted.get(nearest, ()), key=len)  # two may have the same parent
        for folder in [folder for folder, (kinds, _) in self._watches.items() if wanted.get(folder) != kinds]:
            self._observer.unschedule(self._watches.pop(folder)[1])
        for folder in wanted.keys() - self._watches.keys():
            kinds = wanted[folder]
            try:
                watched = self._observer.schedule(self, str(folder), event_filter=list(kinds))
            except OSError as error:
                if error.errno == errno.ENOSPC and not isinstance(self._observer, PollingObserver):
                    self._poll(error)
                    self.watch(folders)
                    return
                log.warning("cannot watch %s: %s", folder, error)
            else:
                self._watches[folder] = kinds, watched

    def pause(self) -> None:
        """Watch nothing until the next call of `watch`."""
        if self._observer is not None:
            self._observer.unschedule_all()
            self._watches.clear()

    def _poll(self, error: OSError) -> None:
        """Look at the folders again and again from now on."""
        self.pause()
        self.stop()
        self._observer = _polling_observer(error)
        self._observer.start()

    def stop(self) -> None:
        """Stop the threads of watchdog."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(1)
            self._observer = None

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Report the first event. Called by watchdog on its own thread."""
        if isinstance(event, FileOpenedEvent) and Path(os.fsdecode(event.src_path)).is_dir():
            return  # a program, maybe the tray itself, lists the folder
        if not self._reported:
            self._reported = True
            call_on_loop(self._loop, self._on_change)


def _new_observer() -> BaseObserver:
    try:
        return Observer()
    except OSError as error:  # Linux has a limit for each user
        return _polling_observer(error)


def _polling_observer(error: OSError) -> BaseObserver:
    limits = "fs.inotify.max_user_instances and fs.inotify.max_user_watches"
    text = f"%s; folders are read every %g s instead; to change that, raise {limits} (sysctl)"
    log.warning(text, error.strerror, POLL_INTERVAL)
    return PollingObserver(timeout=POLL_INTERVAL)


def _too_wide() -> set[Path]:
    """Return the folders that are not watched, as a watch includes their subfolders."""
    return {Path.home(), *Path.home().parents} if sys.platform == "darwin" else set()


def _is_relevant(record: logging.LogRecord) -> bool:
    """Drop the error that watchdog logs if a change arrives while a watch is being removed; it is harmless."""
    return "when the thread is inactive" not in record.getMessage()


def is_folder(path: Path) -> bool:
    """Whether it is a folder that we may access; those of containers and other users may be inaccessible."""
    try:
        return path.is_dir()
    except OSError:
        return False
