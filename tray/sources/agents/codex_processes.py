"""The sessions of Codex processes without a daemon, such as `codex exec`. They can only be observed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from tray.agents.codex.asked import Asked
from tray.agents.codex.home import CodexHome
from tray.agents.codex.hooks import decode_hook
from tray.agents.codex.inference import ThreadState
from tray.agents.codex.processes import CodexProcess, is_running, newest_child, running_processes
from tray.agents.codex.protocol import is_session
from tray.agents.codex.rollout import Rollout, RolloutFile
from tray.core.events import SourceEvent
from tray.core.servers import AgentKind, Source
from tray.sources.agents.codex_servers import ThreadServers
from tray.sources.agents.codex_thread import read_rollouts
from tray.sources.agents.codex_waits import CONFIRM_TIME, LOOK_INTERVAL, PermissionWaits
from tray.sources.agents.follow_loop import FollowLoop
from tray.sources.agents.hook_server import HookCall
from tray.system.exit_watch import ProcessKey
from tray.system.folder_watch import is_folder

ROLLOUT_DELAY = 0.1  # s before a changed rollout is read


class _Followed(msgspec.Struct):
    """A process that is followed."""

    process: CodexProcess
    servers: ThreadServers
    rollouts: dict[Path, RolloutFile] = msgspec.field(default_factory=dict)


class CodexProcesses:
    """Looks for processes when threads are opened or closed, and reads their rollouts. Lives on the loop's thread."""

    def __init__(
        self,
        home: CodexHome,
        report: Callable[[SourceEvent], None],
        now: Callable[[], int],
        is_enabled: Callable[[], bool],
        daemon_pid: Callable[[], int],
    ) -> None:
        """`daemon_pid` returns the pid of the daemon that reports its own threads, or 0."""
        self._home = home
        self._report = report
        self._is_enabled = is_enabled
        self._daemon_pid = daemon_pid
        self._waits = PermissionWaits(now)
        self._followed: dict[str, _Followed] = {}
        self._found: tuple[frozenset[str], list[CodexProcess]] = frozenset(), []  # open threads, and their processes
        self._known_files: frozenset[str] = frozenset()  # where new rollouts are created, at the last search
        self._loop = FollowLoop(
            f"{AgentKind.CODEX.title} without daemon", self, is_enabled, transcript_delay=ROLLOUT_DELAY
        )

    async def run(self) -> None:
        """Report the sessions until cancelled. An error does not end it."""
        await self._loop.run()

    def look(self) -> None:
        """Look for processes again."""
        self._found = frozenset(), []
        self._loop.look()

    async def on_hook(self, call: HookCall) -> bytes:
        """Take a permission that a process asks for, and decide nothing. The daemon reports its own."""
        hook = decode_hook(call.payload)
        if hook is not None and call.pid not in (0, self._daemon_pid()) and self._is_enabled():
            started = await asyncio.to_thread(newest_child, call.pid)  # that is the hook itself
            followed = {followed.process.pid for followed in self._followed.values()}
            self._waits.add(call.pid, hook, started, followed)
            self._loop.update_in(CONFIRM_TIME / 1000)
        return b""

    # ------------------------------------------------------------------ processes (see FollowLoop)

    @property
    def server_ids(self) -> Collection[str]:
        """The processes that are followed. Each has a server for every directory, whose ids begin with these."""
        return self._followed.keys()

    def list_folders(self) -> Collection[Path]:
        """Return the folder of the open threads, or Codex' folder as long as there was none."""
        return [folder for folder in (self._home.locks, self._home.folder) if is_folder(folder)][:1]

    def transcript_folders(self) -> Collection[Path]:
        """Return the folders of the rollouts, with that of the rollouts that are created next."""
        folders = {path.parent for followed in self._followed.values() for path in followed.rollouts}
        if any(followed.process.is_new for followed in self._followed.values()):
            folders.add(self._new_rollouts())
        return folders

    def _new_rollouts(self) -> Path:
        return self._home.new_rollouts(datetime.now().astimezone())

    def find(self) -> Mapping[str, CodexProcess]:
        """Return the processes without the daemon. They are searched for only if the open threads have changed."""
        self._known_files = _files_in(self._new_rollouts())
        threads, processes = self._home.open_threads(), self._found[1]
        if threads != self._found[0] or any(process.is_new for process in processes):
            processes = running_processes(self._home) if threads else []
            self._found = threads, processes
        daemon = self._daemon_pid()
        running = [process for process in processes if process.pid != daemon and is_running(process)]
        return {f"codex:{process.pid}:{process.started:.2f}": process for process in running}

    def process(self, entry: CodexProcess) -> ProcessKey:
        """Return the process."""
        return entry.pid, entry.started

    async def update(self, server_id: str, entry: CodexProcess, read_at: float) -> None:  # noqa: ARG002
        """Report the threads of a process."""
        followed = self._followed.get(server_id)
        if followed is None:
            servers = ThreadServers(server_id, entry.pid, Source.LOCAL, self._report, runs_once=entry.runs_once)
            followed = self._followed[server_id] = _Followed(entry, servers)
        followed.process = entry
        followed.rollouts = {path: followed.rollouts.get(path) or RolloutFile(path) for path in entry.rollouts}
        await self._report_threads(followed)
        if entry.is_new and await asyncio.to_thread(_files_in, self._new_rollouts()) != self._known_files:
            self._loop.look()  # the first prompt has created its rollout

    async def end(self, server_id: str) -> None:
        """Report how a process ended. One that is the daemon now reports itself."""
        followed = self._followed.pop(server_id)
        self._waits.end(followed.process.pid)
        if followed.process.pid == self._daemon_pid():
            followed.servers.forget()
            return
        try:
            await self._report_threads(followed, has_ended=True)
        finally:
            followed.servers.end()

    def forget(self, server_id: str) -> None:
        """Stop following a process."""
        self._followed.pop(server_id).servers.forget()

    async def _report_threads(self, followed: _Followed, *, has_ended: bool = False) -> None:
        titles = await asyncio.to_thread(self._home.titles)
        files = followed.rollouts.values()
        await asyncio.to_thread(read_rollouts, files)
        contents = [file.content for file in files if file.content.thread_id and is_session(file.content.purpose)]
        for content in contents if has_ended else ():
            content.turns.abandon()
        asked = await self._asked(followed.process.pid, contents)
        followed.servers.version = contents[0].version if contents else ""
        followed.servers.update(
            [
                ThreadState(
                    rollout.thread_id,
                    rollout.directory,
                    rollout,
                    rollout.turn_started > 0,
                    title=titles.get(rollout.thread_id, ""),
                    parent=rollout.parent,
                    created=rollout.created,
                    asked=asked.get(rollout.thread_id, ()),
                )
                for rollout in contents
            ]
        )

    async def _asked(self, pid: int, rollouts: Sequence[Rollout]) -> Mapping[str, tuple[Asked, ...]]:
        """Return the permissions that a process waits for by thread id, and look again as long as there are some."""
        if not self._waits.is_waiting(pid):
            return {}
        asked = self._waits.update(pid, rollouts, await asyncio.to_thread(newest_child, pid))
        if self._waits.is_waiting(pid):
            self._loop.update_in(LOOK_INTERVAL)
        return asked


def _files_in(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208  # names are enough
    except OSError:
        return frozenset()
