"""Publishes what this tray shares: changes at once, but not too often, and the retained snapshot more seldom."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from tray.core.events import Change as FleetChange
from tray.core.events import SessionChanged
from tray.core.team import BEAT, CHANGE, SNAPSHOT, Beat
from tray.core.team_publication import Publication
from tray.sources.team.outbox import Outbox
from tray.system.tasks import run_all

CHANGE_INTERVAL = 4.0  # s between two changes; the first one after a pause is published at once
URGENT_INTERVAL = 0.25  # s between two changes if a request or the state of a session has changed
SNAPSHOT_INTERVAL = 1.0  # s between two snapshots that others ask for
BEAT_INTERVAL = 2.0  # s without another message until a beat
RETAINED_INTERVAL = 60.0  # s after a change until the retained snapshot contains it; who misses a change asks


class Publisher:
    """Lives on the event loop's thread. Nothing is computed while nothing changes."""

    def __init__(self, publication: Publication, outbox: Outbox, *, has_beat: bool) -> None:
        """`has_beat`: whether it publishes signs of life: there may be something to see."""
        self._publication = publication
        self._outbox = outbox
        self._has_beat = has_beat
        self._is_stale = asyncio.Event()
        self._is_urgent = asyncio.Event()  # a request or a state has changed
        self._snapshot_wanted = asyncio.Event()
        self._number = 0  # of the last beat
        self._has_published = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None  # sets `_snapshot_wanted`

    def note(self, changes: Sequence[FleetChange]) -> None:
        """Note what has changed in the fleet."""
        self._publication.note(changes)
        if any(map(_is_urgent, changes)):
            self._is_urgent.set()
        if self._publication.is_stale:
            self._is_stale.set()

    def want_snapshot(self) -> None:
        """Publish a snapshot soon: another tray has missed a change."""
        self._snapshot_wanted.set()

    async def work(self, connection: int) -> None:
        """Publish a snapshot, and then what changes, until it is cancelled. Raises NotConnectedError.

        `connection` is the number of the connection.
        """
        self._publication.take_change()  # the snapshot contains it
        self._snapshot_wanted.set()
        try:
            await run_all((self._publish_changes(), self._publish_snapshots(), self._publish_beats(connection)))
        finally:
            self._cancel_timer()

    async def _publish_changes(self) -> NoReturn:
        while True:
            await self._is_stale.wait()
            self._is_stale.clear()
            self._is_urgent.clear()
            change = self._publication.take_change()
            if change is None:
                continue
            self._has_published.set()
            await self._outbox.publish(CHANGE, change)
            if self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(RETAINED_INTERVAL, self._snapshot_wanted.set)
            await asyncio.sleep(URGENT_INTERVAL)
            with suppress(TimeoutError):
                async with asyncio.timeout(CHANGE_INTERVAL - URGENT_INTERVAL):
                    await self._is_urgent.wait()

    async def _publish_snapshots(self) -> NoReturn:
        while True:
            await self._snapshot_wanted.wait()
            self._snapshot_wanted.clear()
            self._cancel_timer()
            await self._outbox.publish(SNAPSHOT, self._publication.snapshot(), is_retained=True)
            await asyncio.sleep(SNAPSHOT_INTERVAL)

    async def _publish_beats(self, connection: int) -> None:
        while self._has_beat:
            self._has_published.clear()
            try:
                async with asyncio.timeout(BEAT_INTERVAL):
                    await self._has_published.wait()
            except TimeoutError:
                self._number += 1
                beat = Beat(self._publication.started, connection, self._number, self._publication.number)
                await self._outbox.publish(BEAT, beat, is_confirmed=False)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _is_urgent(change: FleetChange) -> bool:
    if not isinstance(change, SessionChanged):
        return True
    before, after = change.before, change.after
    return before is None or before.status is not after.status or before.requests != after.requests
