"""One process of Claude Code that is followed, and what its registry entry says about it."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from tray.agents.claude.inference import snapshot
from tray.agents.claude.limits import with_refused
from tray.agents.claude.registry import RegistryEntry, read_registry
from tray.agents.claude.session_files import SessionFiles
from tray.agents.claude.transcript import Transcript, transcript_path
from tray.core.events import SnapshotTaken
from tray.core.plan_limits import PlanLimit
from tray.core.servers import AgentKind, Server
from tray.core.sessions import Request
from tray.sources.agents.held_hooks import HeldHook
from tray.sources.agents.session_report import SessionReport
from tray.sources.process_server import process_server
from tray.system.process_start import is_running

COST_TIME = 0.2  # s within which the cost of a session that ends is written: measured 0.002 to 0.006
COST_INTERVAL = 0.01  # s between two readings until then


class FollowedProcess(msgspec.Struct):
    """A process, and what was reported of it."""

    entry: RegistryEntry
    files: SessionFiles
    shown: SessionReport
    hook: HeldHook | None = None  # that waits with the dialog of the state that is shown

    def request(self) -> Request | None:
        """Return the request that was reported last; a session has one at a time."""
        return next(iter(self.shown.requests), None)

    def report_history(self, *, has_ended: bool = False) -> None:
        """Report the new responses and turns. `has_ended`: the process has left the session."""
        self.shown.add_steps(self.entry.session_id, self.files.take_steps())
        self.shown.add_turns(self.entry.session_id, self.files.take_turns(has_ended=has_ended))


def running_entries(folder: Path) -> list[RegistryEntry]:
    """Return the registry's entries of processes that run."""
    return [entry for entry in read_registry(folder) if is_running(entry.pid, entry.proc_start)]


def files_of(folder: Path, entry: RegistryEntry) -> SessionFiles:
    """Return the files of a process's session."""
    return SessionFiles(transcript_path(folder, entry.session_id, entry.cwd))


def read_to_end(followed: FollowedProcess) -> Transcript:
    """Read the files of a session that ends. Blocks: its cost is written after the registry has changed."""
    latest = time.monotonic() + COST_TIME
    while True:
        can_write = is_running(followed.entry.pid, followed.entry.proc_start) and time.monotonic() < latest
        content = followed.files.read()
        if content.usage.is_cost_complete or not can_write:
            return content
        time.sleep(COST_INTERVAL)


def snapshot_of(
    followed: FollowedProcess, content: Transcript, limits: tuple[PlanLimit, ...], now: int, *, has_ended: bool = False
) -> SnapshotTaken:
    """Return the state of a process's session. `limits` are those of the user's plan."""
    return snapshot(
        followed.shown.server.id,
        followed.entry,
        content,
        followed.hook.payload if followed.hook is not None else None,
        usage=followed.files.usage,
        plan_limits=with_refused(limits, content.refused, now),
        has_ended=has_ended,
    )


def server_id_of(entry: RegistryEntry) -> str:
    """Return the id of a process, which no later process has."""
    return f"claude:{entry.pid}:{entry.proc_start or entry.started_at}"


def runs_once(entry: RegistryEntry) -> bool:
    """Whether it is `claude -p`, which ends with its turn and has no terminal UI."""
    return entry.entrypoint.startswith("sdk")


def server_of(server_id: str, entry: RegistryEntry) -> Server:
    """Return the server that stands for a process."""
    job = entry.job_id if entry.kind == "bg" else ""
    return process_server(
        server_id,
        entry.pid,
        entry.cwd,
        AgentKind.CLAUDE,
        version=entry.version,
        job=job,
        runs_once=runs_once(entry),
    )
