"""The live view: entries with sequence numbers, kept as encoded changes, so that a browser can resume."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from tray.core.fleet import Fleet
from tray.core.session_index import SessionIndex
from tray.core.sessions import Status
from tray.surfaces.page.view import order_entry, session_entry, summary_entry

INTERVAL = 0.12  # s between two changes; the first one after a pause is sent at once
MAX_CHANGES = 256  # that are kept for browsers that connect again or read slowly
MAX_BYTES = 1_000_000  # of them


class LiveView:
    """The entries of the page. Nothing is computed while no browser watches. Lives on the loop's thread."""

    def __init__(
        self,
        fleet: Fleet,
        index: SessionIndex,
        now: Callable[[], int],
        problems: Callable[[], tuple[str, ...]],
        exposed: Callable[[], str] = str,
    ) -> None:
        """`now` returns ms since the Unix epoch; `problems` and `exposed` as in PageServices."""
        self.epoch = secrets.token_hex(8)  # sequence numbers count within one run of the tray
        self.sequence = 0
        self._fleet = fleet
        self._index = index
        self._now = now
        self._problems = problems
        self._exposed = exposed
        self._entries: dict[str, bytes] = {}
        self._stale: set[str] = {row.session.id for row in index.rows()}
        self._changes: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._viewers: set[asyncio.Event] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._flushed_at = 0.0

    # ------------------------------------------------------------------ changes in

    def changed(self, session_ids: Iterable[str]) -> None:
        """Note that the rows of these root sessions may have changed."""
        self._stale.update(session_ids)
        if self._viewers and self._timer is None:
            due = max(0.0, self._flushed_at + INTERVAL - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(due, self._flush)

    def time_passed(self) -> None:
        """Compute the rows of working sessions again: their texts name how long a tool has run."""
        if self._viewers:
            self.changed(row.session.id for row in self._index.rows() if row.status.urgency <= Status.BUSY.urgency)

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _flush(self) -> None:
        self._timer = None
        if self.update():
            for viewer in self._viewers:
                viewer.set()

    def update(self) -> bool:
        """Compute the entries that may have changed, and keep the change. Return whether there is one."""
        self._flushed_at = time.monotonic()
        at = self._now()
        after: dict[str, Any] = {
            "summary": summary_entry(self._fleet, self._index, self._problems(), self._exposed()),
            "order": order_entry(self._index),
        }
        removed = []
        for session_id in self._stale:
            row, key = self._index.row(session_id), f"session:{session_id}"
            if row is not None:
                after[key] = session_entry(self._fleet, self._index, row, at)
            elif self._entries.pop(key, None) is not None:
                removed.append(key)
        self._stale.clear()
        encoded = {key: msgspec.json.encode(value) for key, value in after.items()}
        different = {key: value for key, value in encoded.items() if self._entries.get(key) != value}
        if not different and not removed:
            return False
        self._entries.update(different)
        self._keep(different, removed, at)
        return True

    def _keep(self, different: dict[str, bytes], removed: list[str], at: int) -> None:
        self.sequence += 1
        frame = {"type": "change", "seq": self.sequence, "at": at, "set": _raw(different), "removed": removed}
        encoded = msgspec.json.encode(frame)
        self._changes.append((self.sequence, encoded))
        self._size += len(encoded)
        while len(self._changes) > MAX_CHANGES or self._size > MAX_BYTES:
            self._size -= len(self._changes.popleft()[1])

    # ------------------------------------------------------------------ frames out

    def frames_after(self, sequence: int | None) -> list[bytes]:
        """Return the changes after this sequence number; the whole view if they are not kept, or for None."""
        if sequence == self.sequence:
            return []
        oldest = self._changes[0][0] if self._changes else self.sequence + 1
        if sequence is not None and oldest - 1 <= sequence < self.sequence:
            return [frame for number, frame in self._changes if number > sequence]
        view = {"type": "view", "epoch": self.epoch, "seq": self.sequence, "at": self._now()}
        return [msgspec.json.encode({**view, "set": _raw(self._entries)})]

    def first_frames(self, sequence: int | None) -> list[bytes]:
        """Return what a browser gets first: at least one frame, which says that it is accepted."""
        frame = {"type": "change", "seq": self.sequence, "at": self._now(), "set": {}, "removed": []}
        return self.frames_after(sequence) or [msgspec.json.encode(frame)]

    def watch(self) -> asyncio.Event:
        """Return an event that is set at each change, until `unwatch`. The entries are up to date afterwards."""
        viewer = asyncio.Event()
        self._viewers.add(viewer)
        self._flush()
        return viewer

    def unwatch(self, viewer: asyncio.Event) -> None:
        """Stop setting the event."""
        self._viewers.discard(viewer)
        if not self._viewers:
            self.close()


def _raw(entries: dict[str, bytes]) -> dict[str, msgspec.Raw]:
    return {key: msgspec.Raw(value) for key, value in entries.items()}
