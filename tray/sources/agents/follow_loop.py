"""Follow the processes of an agent: read its files again whenever they change or a process ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from tray.system.exit_watch import ExitWatch, ProcessKey
from tray.system.folder_watch import ALL_CHANGES, CHANGE_EVENTS, EventKinds, FolderWatch

log = logging.getLogger(__name__)

LIST = "the list of processes"
MIN_INTERVAL = 0.05  # s between two readings

Entry = TypeVar("Entry")


class Followed(Protocol[Entry]):
    """The interface of an agent that is followed. An entry is a session of a running process, with its files."""

    @property
    def server_ids(self) -> Collection[str]:
        """The servers that were connected and have not ended."""

    def find(self) -> Mapping[str, Entry]:
        """Return the entries by server id. Blocks."""

    def process(self, entry: Entry) -> ProcessKey:
        """Return the process of an entry."""

    def list_folders(self) -> Collection[Path]:
        """Return the folders whose changes may change the entries: they are read again at once."""

    def transcript_folders(self) -> Collection[Path]:
        """Return the folders of the transcripts: after a change, `update` is called a little later."""

    async def update(self, server_id: str, entry: Entry, read_at: float) -> None:
        """Report a session. `read_at` is the value of `time.monotonic` before the entry was read."""

    async def end(self, server_id: str) -> None:
        """Report that a session was closed, or that its process has ended."""

    def forget(self, server_id: str) -> None:
        """Report that a session is not followed any more."""


class FollowLoop(Generic[Entry]):
    """Calls the methods of Followed. Lives on the event loop's thread."""

    def __init__(
        self,
        title: str,
        followed: Followed[Entry],
        is_enabled: Callable[[], bool],
        *,
        list_events: EventKinds = ALL_CHANGES,
        transcript_delay: float = 0.0,
    ) -> None:
        """`is_enabled` returns whether to look for processes. `transcript_delay` is in s."""
        self._title = title
        self._followed = followed
        self._is_enabled = is_enabled
        self.transcript_delay = transcript_delay
        self._changed = asyncio.Event()
        self._is_list_known = False  # whether `_entries` are current
        self._entries: Mapping[str, Entry] = {}
        self._read_at = 0.0  # time.monotonic() before `_entries` were read
        self._list_watch = FolderWatch(list_events, self.look)
        self._transcript_watch = FolderWatch(CHANGE_EVENTS, self._transcript_changed)
        self._exits = ExitWatch(self.look)
        self._timer: asyncio.TimerHandle | None = None  # for the transcripts
        self._later: asyncio.TimerHandle | None = None
        self._failed: set[str] = set()  # LIST and server ids with a logged error

    async def run(self) -> None:
        """Read now and at each change, until cancelled. An error does not end it."""
        self.look()
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                try:
                    await self._read()
                except Exception as error:  # noqa: BLE001  # the next change tries again
                    self._log_failure(LIST, error)
                await asyncio.sleep(MIN_INTERVAL)
        finally:
            self._stop_watching()

    def look(self) -> None:
        """Read everything again: something may have changed without a notice."""
        self._is_list_known = False
        self._changed.set()

    def update_in(self, seconds: float) -> None:
        """Call `update` again later. It may be called earlier, for another reason."""
        loop = asyncio.get_running_loop()
        if self._later is None or self._later.when() > loop.time() + seconds:
            self._cancel_later()
            self._later = loop.call_later(seconds, self._update_now)

    def _update_now(self) -> None:
        self._later = None
        self._changed.set()

    def _cancel_later(self) -> None:
        if self._later is not None:
            self._later.cancel()

    async def _read(self) -> None:
        if not self._is_enabled():
            self._forget()
            return
        self._watch_files()  # before the reading: a change during it leads to another one
        if not self._is_list_known:
            await self._read_list()
        entries = self._entries
        for server_id in set(self._followed.server_ids) - entries.keys():
            await self._guarded(server_id, self._followed.end(server_id))
        for server_id, entry in entries.items():
            await self._guarded(server_id, self._followed.update(server_id, entry, self._read_at))
        self._failed &= entries.keys() | {LIST}
        self._watch_files()

    async def _read_list(self) -> None:
        self._is_list_known = True  # before the reading: a change during it leads to another one
        self._read_at = time.monotonic()
        try:
            self._entries = await asyncio.to_thread(self._followed.find)
        except Exception:
            self._is_list_known = False
            raise
        self._exits.watch({self._followed.process(entry) for entry in self._entries.values()})

    async def _guarded(self, server_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Log an error, once for each session, so that one session does not affect the others."""
        try:
            await work
        except Exception as error:  # noqa: BLE001  # logged
            self._log_failure(server_id, error)
        else:
            self._failed.discard(server_id)

    def _log_failure(self, what: str, error: Exception) -> None:
        if what not in self._failed:
            log.error("cannot read the files of %s: %s", self._title, what, exc_info=error)
        self._failed.add(what)

    def _forget(self) -> None:
        self._is_list_known = False
        for server_id in tuple(self._followed.server_ids):
            self._followed.forget(server_id)
        self._list_watch.watch(())
        self._transcript_watch.watch(())
        self._exits.watch(())

    # ------------------------------------------------------------------ watching

    def _watch_files(self) -> None:
        self._list_watch.watch(self._followed.list_folders())
        self._transcript_watch.watch(self._followed.transcript_folders())

    def _stop_watching(self) -> None:
        self._list_watch.stop()
        self._transcript_watch.stop()
        self._exits.watch(())
        self._cancel_later()
        if self._timer is not None:
            self._timer.cancel()

    def _transcript_changed(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.transcript_delay, self._read_transcripts)

    def _read_transcripts(self) -> None:
        self._timer = None
        self._changed.set()
