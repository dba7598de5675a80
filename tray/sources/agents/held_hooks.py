"""The hooks of Claude Code that wait for an answer together with a dialog in the terminal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tray.agents.claude.hooks import HookPayload
from tray.agents.claude.inference import WAITING
from tray.agents.claude.registry import RegistryEntry
from tray.agents.claude.requests import asking_call
from tray.agents.claude.transcript import Transcript

CONFIRM_TIME = 1.5  # s after which the registry must say that the session waits: else no dialog is open


class HeldHook:
    """One hook that waits."""

    def __init__(self, pid: int, payload: HookPayload) -> None:
        self.pid = pid
        self.payload = payload
        self.held_since = time.monotonic()
        self.waiting_since = 0  # the registry's `statusUpdatedAt` of its dialog; 0: no dialog was seen yet
        self.call_id = ""  # of the tool call in the transcript; "": it does not contain the call yet
        self.output: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def end(self, output: bytes = b"") -> None:
        """End the hook; without an output it decides nothing."""
        if not self.output.done():
            self.output.set_result(output)


class HeldHooks:
    """Holds hooks as long as the registry says that their session waits for the user.

    A hook without a dialog in the terminal would hide it, so it is released.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        """`on_change` is called when a hook came or has gone."""
        self._held: list[HeldHook] = []
        self._on_change = on_change

    async def hold(self, pid: int, payload: HookPayload) -> bytes:
        """Return the output of the hook: an answer, or b"" once it is released."""
        hook = HeldHook(pid, payload)
        self._held.append(hook)
        self._on_change()
        release = asyncio.get_running_loop().call_later(CONFIRM_TIME, self._release_unconfirmed, hook)
        try:
            output = await hook.output
            if output:  # its dialog is open until Claude Code has read the answer
                self._on_change()
            return output
        finally:
            release.cancel()
            if not hook.output.done() or not hook.output.result():
                self._remove(hook)

    @property
    def has_queue(self) -> bool:
        """Whether hooks of parallel tools wait: Claude Code opens their dialogs one after another."""
        return len({hook.pid for hook in self._held}) < len(self._held)

    def confirm(self, entry: RegistryEntry, read_at: float, transcript: Transcript) -> HeldHook | None:
        """Return the hook that waits with the dialog of a process; release those whose dialog has been closed.

        `read_at` is the value of `time.monotonic` before `entry` was read: it says nothing about later hooks. Of
        several, the current one is that of the first call: the registry does not tell the next dialog from the last.
        """
        waiting, calls = [], list(transcript.running)
        for hook in [held for held in self._held if held.pid == entry.pid and held.held_since <= read_at]:
            call = asking_call(entry, transcript, hook.payload)
            hook.call_id = hook.call_id or (call.id if call is not None else "")
            has_run = hook.call_id != "" and hook.call_id not in calls
            is_waiting = entry.status == WAITING and entry.session_id == hook.payload.session_id
            if is_waiting and not has_run and hook.waiting_since in (0, entry.status_updated_at):
                hook.waiting_since = entry.status_updated_at
                waiting.append(hook)
            elif hook.waiting_since or has_run:
                self._remove(hook)
        waiting.sort(key=lambda hook: (hook.output.done(), calls.index(hook.call_id) if hook.call_id else len(calls)))
        return waiting[0] if waiting else None

    def end_process(self, pid: int) -> None:
        """Release the hooks of a process that has ended."""
        for hook in [held for held in self._held if held.pid == pid]:
            self._remove(hook)

    def _release_unconfirmed(self, hook: HeldHook) -> None:
        if not hook.waiting_since:
            hook.end()

    def _remove(self, hook: HeldHook) -> None:
        hook.end()
        if hook in self._held:
            self._held.remove(hook)
            self._on_change()
