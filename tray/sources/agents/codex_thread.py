"""One thread of Codex' daemon that is followed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from tray.agents.codex.asked import Asked
from tray.agents.codex.inference import ThreadState, is_settling
from tray.agents.codex.protocol import FrameId, Thread
from tray.agents.codex.rollout import Rollout, RolloutFile
from tray.core.numbers import moment


class DaemonThread(msgspec.Struct):
    """A thread, and what is known of it."""

    thread: Thread
    rollout: RolloutFile | None = None
    asked: dict[FrameId, Asked] = msgspec.field(default_factory=dict)  # that are not resolved
    idle_since: int = 0  # ms since the Unix epoch
    is_joined: bool = False  # whether the daemon sends its requests to the tray
    is_outdated: bool = True  # whether the rollout has to be read

    @property
    def id(self) -> str:
        """The thread's id, which is that of its session."""
        return self.thread.id

    def update(self, thread: Thread) -> None:
        """Take what the daemon says about it."""
        self.thread = thread
        self.is_outdated = True
        if self.rollout is None and thread.path:
            self.rollout = RolloutFile(Path(thread.path))

    def is_settling(self, now: int) -> bool:
        """Whether the rollout does not say yet how the turn ended."""
        is_active = self.thread.status.is_active
        return self.rollout is not None and is_settling(
            self.rollout.content, is_active=is_active, idle_since=self.idle_since, now=now
        )

    def state(self, now: int) -> ThreadState:
        """Return its state. A turn is running until its end is known."""
        thread = self.thread
        return ThreadState(
            thread.id,
            thread.cwd,
            self.rollout.content if self.rollout is not None else Rollout(),
            thread.status.is_active or self.is_settling(now),
            title=thread.name or "",
            parent=thread.parent_thread_id or "",
            created=moment(thread.created_at * 1000),
            updated=moment(thread.updated_at * 1000),
            asked=tuple(self.asked.values()),
        )


def active_folders(threads: Iterable[DaemonThread]) -> set[Path]:
    """Return the folders of the rollouts that Codex is writing."""
    active = (thread for thread in threads if thread.thread.status.is_active)
    return {thread.rollout.path.parent for thread in active if thread.rollout is not None}


def read_rollouts(files: Iterable[RolloutFile | None]) -> None:
    """Read what was added to rollouts. Not from two threads of Python at the same time."""
    for file in files:
        if file is not None:
            with suppress(OSError):  # the first prompt creates it
                file.read()
