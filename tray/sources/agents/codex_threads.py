"""The threads that Codex' daemon has loaded: their state and requests, and the answers to these.

The daemon tells all its clients which threads are active and which wait for the user. What a thread waits for it tells
only those that have joined the thread (`thread/resume`). The tray joins a thread while it waits, and leaves it then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from msgspec.structs import replace

from tray.agents.codex.asked import Asked
from tray.agents.codex.protocol import (
    Frame,
    FrameId,
    LoadedThreads,
    RequestResolved,
    StatusChanged,
    Thread,
    ThreadAnswer,
    ThreadClosed,
    ThreadNamed,
    ThreadStatus,
)
from tray.agents.codex.requests import asked, thread_id_of, unknown_request
from tray.core.events import ActivityReported, RequestAsked, RequestClosed, SourceEvent
from tray.core.lenient_json import JSON_ERRORS, decode
from tray.core.sessions import Activity
from tray.core.source_calls import CallError
from tray.sources.agents.codex_connection import DaemonConnection
from tray.sources.agents.codex_servers import ThreadServers
from tray.sources.agents.codex_thread import DaemonThread, active_folders, read_rollouts

log = logging.getLogger(__name__)

SETTLE_INTERVAL = 0.05  # s between two readings while the end of a turn is not in the rollout
MIN_INTERVAL = 0.05  # s between two reports of details


class DaemonThreads:
    """Follows the threads of one connection. Lives on the event loop's thread."""

    def __init__(
        self,
        servers: ThreadServers,
        now: Callable[[], int],
        watch: Callable[[Collection[Path]], None],
    ) -> None:
        """`watch` is called with the folders of the rollouts that Codex is writing."""
        self._servers = servers
        self._watch = watch
        self._now = now
        self._frames: asyncio.Queue[Frame] = asyncio.Queue()
        self._threads: dict[str, DaemonThread] = {}
        self._hidden: set[str] = set()  # ids of threads that Codex needs for itself
        self._changed = asyncio.Event()
        self._reading = asyncio.Lock()  # of rollouts

    def on_frame(self, frame: Frame) -> None:
        """Take a notification or request of the daemon. They are handled in their order."""
        self._frames.put_nowait(frame)

    def read_active(self) -> None:
        """Read the rollouts of the active threads again."""
        for thread in self._threads.values():
            thread.is_outdated |= thread.thread.status.is_active
        self._changed.set()

    def thread(self, thread_id: str) -> DaemonThread | None:
        """Return a thread that is followed."""
        return self._threads.get(thread_id)

    def request(self, request_id: str) -> tuple[DaemonThread, Asked] | None:
        """Return a request that is not resolved, by the id of its `core` record, with its thread."""
        for thread in self._threads.values():
            for item in thread.asked.values():
                if item.request.id == request_id:
                    return thread, item
        return None

    async def follow(self, daemon: DaemonConnection) -> None:
        """Read the loaded threads, and follow them until cancelled. Raises CallError."""
        loaded = decode(await daemon.call("thread/loaded/list", {}), LoadedThreads)
        for thread_id in loaded.data:
            await self._add(daemon, thread_id)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take_frames(daemon))
            group.create_task(self._report_details())

    async def report_end(self) -> None:
        """Report the state in which a daemon that has ended left its threads. The turns that ran are over."""
        threads = list(self._threads.values())
        await self.read(threads)
        for thread in threads:
            if thread.rollout is not None:
                thread.rollout.content.turns.abandon()
        self._servers.update([thread.state(self._now()) for thread in threads])

    # ------------------------------------------------------------------ frames

    async def _take_frames(self, daemon: DaemonConnection) -> None:
        while True:
            frame = await self._frames.get()
            try:
                await self._take(daemon, frame)
            except JSON_ERRORS:
                log.debug("invalid parameters: %s", frame.method)

    async def _take(self, daemon: DaemonConnection, frame: Frame) -> None:
        params = bytes(frame.params)
        match frame.method:
            case "thread/started":
                self._put(decode(params, ThreadAnswer).thread)
            case "thread/status/changed":
                changed = decode(params, StatusChanged)
                await self._take_status(daemon, changed.thread_id, changed.status)
            case "thread/name/updated":
                self._take_name(decode(params, ThreadNamed))
            case "thread/closed":
                self._remove(decode(params, ThreadClosed).thread_id)
            case "serverRequest/resolved":
                resolved = decode(params, RequestResolved)
                self._close_request(resolved.thread_id, resolved.request_id)
            case _ if frame.id is not None:
                await self._take_request(frame)

    async def _take_status(self, daemon: DaemonConnection, thread_id: str, status: ThreadStatus) -> None:
        if not status.is_loaded:
            self._remove(thread_id)
            return
        thread = self._threads.get(thread_id) or await self._add(daemon, thread_id)
        if thread is None:
            return
        self._set_status(thread, status)
        if thread.rollout is None and thread.thread.status.is_active:  # the first prompt creates it
            await self._add(daemon, thread_id)
        await self._join_or_leave(daemon, thread)

    def _set_status(self, thread: DaemonThread, status: ThreadStatus) -> None:
        was_active = thread.thread.status.is_active
        thread.thread = replace(thread.thread, status=status)
        if status.is_active and not was_active:  # reported at once: a short turn may end before its details are read
            self._report(thread, lambda server_id: ActivityReported(server_id, thread.id, Activity.BUSY))
        if was_active and not status.is_active:
            thread.idle_since = self._now()
        self._outdate(thread)

    async def _join_or_leave(self, daemon: DaemonConnection, thread: DaemonThread) -> None:
        """Join a thread that waits for the user, so that the daemon sends its requests."""
        is_waiting = thread.thread.status.is_waiting
        if is_waiting == thread.is_joined:
            return
        thread.is_joined = is_waiting
        try:
            if is_waiting:
                await daemon.call("thread/resume", {"threadId": thread.id, "excludeTurns": True})
            else:
                for frame_id in list(thread.asked):
                    self._close_request(thread.id, frame_id)
                await daemon.call("thread/unsubscribe", {"threadId": thread.id})
        except CallError as error:
            log.warning("cannot follow what a thread of Codex waits for: %s", error)
            if is_waiting:
                self._open_request(thread, unknown_request(thread.id, self._now()))

    async def _take_request(self, frame: Frame) -> None:
        thread = self._threads.get(thread_id_of(frame))
        if thread is None:
            return
        await self.read([thread])
        item = asked(frame, thread.rollout.content if thread.rollout is not None else None, self._now())
        if item is not None:
            self._open_request(thread, item)

    def _open_request(self, thread: DaemonThread, item: Asked) -> None:
        thread.asked[item.frame_id] = item
        self._outdate(thread)
        self._report(thread, lambda server_id: RequestAsked(server_id, item.request))

    def _close_request(self, thread_id: str, frame_id: FrameId) -> None:
        thread = self._threads.get(thread_id)
        item = thread.asked.pop(frame_id, None) if thread is not None else None
        if thread is not None and item is not None:
            self._outdate(thread)
            request_id = item.request.id
            self._report(thread, lambda server_id: RequestClosed(server_id, thread_id, request_id))

    def _report(self, thread: DaemonThread, event_of: Callable[[str], SourceEvent]) -> None:
        self._servers.report(thread.id, thread.thread.cwd, event_of)

    # ------------------------------------------------------------------ threads

    async def _add(self, daemon: DaemonConnection, thread_id: str) -> DaemonThread | None:
        """Read a thread from the daemon; return None if it is not one of the user."""
        if thread_id in self._hidden:
            return None
        try:
            found = decode(await daemon.call("thread/read", {"threadId": thread_id}), ThreadAnswer).thread
        except (CallError, *JSON_ERRORS) as error:
            log.debug("cannot read a thread of Codex: %s", error)
            return self._threads.get(thread_id)
        thread = self._put(found)
        if thread is not None:
            await self._join_or_leave(daemon, thread)
        return thread

    def _put(self, thread: Thread) -> DaemonThread | None:
        if not thread.is_session:
            self._hidden.add(thread.id)
            return None
        known = self._threads.get(thread.id)
        if known is None:
            known = self._threads[thread.id] = DaemonThread(thread)
        known.update(thread)
        self._changed.set()
        return known

    def _remove(self, thread_id: str) -> None:
        self._hidden.discard(thread_id)
        if self._threads.pop(thread_id, None) is not None:
            self._changed.set()

    def _take_name(self, named: ThreadNamed) -> None:
        thread = self._threads.get(named.thread_id)
        if thread is not None:
            thread.thread = replace(thread.thread, name=named.thread_name)
            self._outdate(thread)

    def _outdate(self, thread: DaemonThread) -> None:
        thread.is_outdated = True
        self._changed.set()

    # ------------------------------------------------------------------ details

    async def _report_details(self) -> None:
        """Report the state of all threads whenever something changed."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            outdated = [thread for thread in self._threads.values() if thread.is_outdated]
            for thread in outdated:
                thread.is_outdated = False
            await self.read(outdated)
            now = self._now()
            self._servers.update([thread.state(now) for thread in self._threads.values()])
            for thread in outdated:
                if thread.is_settling(now):
                    asyncio.get_running_loop().call_later(SETTLE_INTERVAL, self._outdate, thread)
            self._watch(active_folders(self._threads.values()))
            await asyncio.sleep(MIN_INTERVAL)

    async def read(self, threads: Iterable[DaemonThread]) -> None:
        """Read what was added to the rollouts of threads."""
        async with self._reading:
            await asyncio.to_thread(read_rollouts, [thread.rollout for thread in threads])
