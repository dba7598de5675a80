"""Find Codex' daemon, connect to it, and follow it until it ends. Never starts one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from tray.agents.codex.home import CodexHome
from tray.core.events import SourceEvent
from tray.core.servers import Source
from tray.core.source_calls import CallError, CallErrorKind
from tray.sources.agents.codex_answers import call_daemon
from tray.sources.agents.codex_connection import DaemonConnection, connect
from tray.sources.agents.codex_servers import ThreadServers
from tray.sources.agents.codex_threads import DaemonThreads
from tray.system.backoff import Backoff
from tray.system.folder_watch import CHANGE_EVENTS, ENTRY_CHANGES, FolderWatch, is_folder
from tray.system.process_start import is_running

log = logging.getLogger(__name__)

FIRST_RETRY, MAX_RETRY = 0.1, 30.0  # s between attempts to connect to a running daemon, doubled each time
ROLLOUT_DELAY = 1.0  # s before a changed rollout is read: it contains only details
MIN_INTERVAL = 0.05  # s between two looks at the folder


class CodexDaemon:
    """Connects whenever a daemon appears. Lives on the event loop's thread."""

    def __init__(
        self,
        home: CodexHome,
        report: Callable[[SourceEvent], None],
        now: Callable[[], int],
        is_enabled: Callable[[], bool],
        on_change: Callable[[], None],
    ) -> None:
        """`on_change` is called after a connection began or ended."""
        self._home = home
        self._report = report
        self._now = now
        self._is_enabled = is_enabled
        self._on_change = on_change
        self._changed = asyncio.Event()
        self._control_watch = FolderWatch(ENTRY_CHANGES, self._changed.set)
        self._rollout_watch = FolderWatch(CHANGE_EVENTS, self._rollout_changed)
        self._timer: asyncio.TimerHandle | None = None
        self._following: asyncio.Task[None] | None = None
        self._connection: tuple[DaemonConnection, DaemonThreads, ThreadServers] | None = None
        self._refusal = ""  # the last error that was logged
        self.pid = 0  # of the daemon that is connected

    async def run(self) -> None:
        """Follow each daemon, until cancelled. An error does not end it."""
        self._changed.set()
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._follow_while_running()
                await asyncio.sleep(MIN_INTERVAL)
        finally:
            self._control_watch.stop()
            self._rollout_watch.stop()
            if self._timer is not None:
                self._timer.cancel()

    def look(self) -> None:
        """Look for a daemon, or leave it if that was disabled."""
        self._changed.set()
        if self._following is not None and not self._is_enabled():
            self._following.cancel()

    async def call(self, server_id: str, method: str, params: Mapping[str, Any]) -> Any:
        """Call a method of plugin/PROTOCOL.md. Raises CallError."""
        if self._connection is None or not self._connection[2].shows(server_id):
            raise CallError("Codex is not connected", CallErrorKind.GONE)
        daemon, threads, _ = self._connection
        return await call_daemon(daemon, threads, method, params)

    # ------------------------------------------------------------------ connecting

    async def _follow_while_running(self) -> None:
        """Follow the daemon until its process ends; wait between attempts to connect."""
        backoff = Backoff(FIRST_RETRY, MAX_RETRY)
        while self._is_enabled():
            self._watch_folder()
            if not await asyncio.to_thread(self._home.socket.exists):
                return
            self._following = asyncio.create_task(self._follow(), name="threads of Codex' daemon")
            try:
                await asyncio.wait({self._following})
                if self._following.cancelled() or not self._can_retry(self._following):
                    return
            finally:
                self._following.cancel()
                self._following = None
            if not await asyncio.to_thread(self._is_running):
                return
            await asyncio.sleep(backoff.next_delay())

    def _watch_folder(self) -> None:
        """Watch the folder of the socket, or Codex' folder as long as there was no daemon."""
        folders = [folder for folder in (self._home.control, self._home.folder) if is_folder(folder)]
        self._control_watch.watch(folders[:1])

    def _is_running(self) -> bool:
        daemon = self._home.daemon()
        return daemon.pid > 0 and is_running(daemon.pid, daemon.start)

    def _can_retry(self, ended: asyncio.Task[None]) -> bool:
        """Log how following the daemon ended; return whether another attempt makes sense."""
        error = ended.exception()
        if isinstance(error, CallError):
            level = logging.DEBUG if str(error) == self._refusal else logging.WARNING
            log.log(level, "cannot follow Codex' daemon: %s", error)
            self._refusal = str(error)
            return False
        if isinstance(error, (OSError, aiohttp.ClientError)):
            log.debug("cannot connect to Codex' daemon: %s", error)
        elif error is not None:
            log.error("cannot follow Codex' daemon", exc_info=error)
        return True

    # ------------------------------------------------------------------ one connection

    async def _follow(self) -> None:
        """Connect, and follow the threads until the daemon ends. Raises CallError, OSError, aiohttp.ClientError."""
        pid = (await asyncio.to_thread(self._home.daemon)).pid
        servers = ThreadServers(f"codex:{pid}", pid, Source.AGENT, self._report)
        threads = DaemonThreads(servers, self._now, self._watch_rollouts)
        async with connect(self._home.socket, threads.on_frame) as daemon:
            reading = asyncio.create_task(daemon.read(), name="frames of Codex' daemon")
            work = asyncio.create_task(self._work(daemon, threads, servers, pid), name="work for Codex' daemon")
            try:
                done, _ = await asyncio.wait({reading, work}, return_when=asyncio.FIRST_COMPLETED)
                if work in done:
                    work.result()
            finally:
                await self._disconnect(threads, servers, reading, work)

    async def _work(self, daemon: DaemonConnection, threads: DaemonThreads, servers: ThreadServers, pid: int) -> None:
        servers.version = await daemon.initialize()
        self._connection = daemon, threads, servers
        self.pid = pid
        self._on_change()
        await threads.follow(daemon)

    async def _disconnect(self, threads: DaemonThreads, servers: ThreadServers, *tasks: asyncio.Task[None]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._connection = None
        self.pid = 0
        self._rollout_watch.pause()
        if self._is_enabled():
            if not await asyncio.to_thread(self._is_running):
                await threads.report_end()
            servers.end()
        else:
            servers.forget()
        self._on_change()

    def _watch_rollouts(self, folders: Collection[Path]) -> None:
        self._rollout_watch.watch(folders)

    def _rollout_changed(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(ROLLOUT_DELAY, self._read_rollouts)

    def _read_rollouts(self) -> None:
        self._timer = None
        if self._connection is not None:
            self._connection[1].read_active()
