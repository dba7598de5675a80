"""The permissions that Codex processes without a daemon wait for, as their hooks report them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec

from tray.agents.codex.asked import Asked
from tray.agents.codex.hooks import PermissionHook, waiting, waiting_call
from tray.agents.codex.rollout import Rollout
from tray.agents.transcripts import ToolCall

CONFIRM_TIME = 1_500  # ms after which a tool that was allowed without the user has ended, or has started its command
LOOK_INTERVAL = 0.5  # s between two looks whether the command of a permission has started: nothing tells it
START_MARGIN = 0.3  # s after a hook within which other hooks of the same permission start


class _Wait(msgspec.Struct):
    """A permission that was reported."""

    pid: int
    hook: PermissionHook
    reported_at: int  # ms since the Unix epoch
    hook_started: float  # s since the Unix epoch
    call: ToolCall | None = None  # that waits, once it is known


class PermissionWaits:
    """Knows which permissions are still open. Lives on the event loop's thread."""

    def __init__(self, now: Callable[[], int]) -> None:
        """`now` returns ms since the Unix epoch."""
        self._now = now
        self._waits: list[_Wait] = []

    def add(self, pid: int, hook: PermissionHook, hook_started: float, followed: Collection[int]) -> None:
        """Take what a hook reports. `followed` are the pids of the processes that are followed."""
        now = self._now()
        self._waits = [
            wait for wait in self._waits if wait.pid in followed or 0 <= now - wait.reported_at < CONFIRM_TIME
        ]
        self._waits.append(_Wait(pid, hook, now, hook_started))

    def is_waiting(self, pid: int) -> bool:
        """Whether a process may be waiting."""
        return any(wait.pid == pid for wait in self._waits)

    def end(self, pid: int) -> None:
        """Forget a process that has ended."""
        self._waits = [wait for wait in self._waits if wait.pid != pid]

    def update(self, pid: int, rollouts: Sequence[Rollout], command_started: float) -> dict[str, tuple[Asked, ...]]:
        """Return the open permissions of a process by thread id, and forget the others.

        `command_started` is when the newest child of the process started, in s since the Unix epoch.
        """
        asked: dict[str, tuple[Asked, ...]] = {}
        for wait in [wait for wait in self._waits if wait.pid == pid]:
            if 0 <= self._now() - wait.reported_at < CONFIRM_TIME:
                continue
            found = None
            if command_started <= wait.hook_started + START_MARGIN:
                found = next((each for rollout in rollouts if (each := _asked(wait, rollout)) is not None), None)
            if found is None:
                self._waits.remove(wait)
            else:
                asked[found.request.session] = (*asked.get(found.request.session, ()), found)
        return asked


def _asked(wait: _Wait, rollout: Rollout) -> Asked | None:
    """Return the request of a thread; None if the thread does not wait for this permission."""
    call = waiting_call(wait.hook, rollout)
    if call is None or (wait.call is not None and wait.call.id not in rollout.running):
        return None
    wait.call = wait.call or call
    return waiting(wait.hook, wait.call, rollout.thread_id, wait.reported_at)
