"""The other trays of the team, from what they publish."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

from tray.core.events import SourceEvent
from tray.core.published_tray import PublishedTray
from tray.core.team import (
    ASK,
    BEAT,
    CHANGE,
    PRESENCE,
    SNAPSHOT,
    Beat,
    Change,
    Presence,
    Snapshot,
    SnapshotWanted,
    Topic,
)
from tray.sources.team.outbox import Outbox
from tray.sources.team.sealing import Opened, UnsealError, decode
from tray.sources.team.validation import check_servers, check_sessions
from tray.system.tasks import run_all

MAX_TRAYS = 1_000  # further ones are not shown
ASK_INTERVAL = 0.5  # s between two looks for missing snapshots
ASK_AGAIN = 6  # looks until the same tray is asked again: it may be busy with the last one
CHECK_INTERVAL = 1.1  # s between two checks for signs of life, which come every 2 s (publisher.BEAT_INTERVAL)


class Subscriber:
    """Lives on the event loop's thread."""

    def __init__(self, own_key: str, outbox: Outbox, report: Callable[[SourceEvent], None]) -> None:
        """`own_key` is the public key of this tray."""
        self._own_key = own_key
        self._outbox = outbox
        self._report = report
        self._trays: dict[str, PublishedTray] = {}
        self._is_missing = asyncio.Event()  # set when a tray has to be asked for a snapshot

    def tray(self, tray_id: str) -> PublishedTray | None:
        """Return another tray."""
        return self._trays.get(tray_id)

    def receive(self, topic: Topic, opened: Opened) -> None:
        """Take what another tray has published. Raises UnsealError if it is not valid."""
        tray = self._trays.get(topic.tray)
        if tray is None:
            if len(self._trays) >= MAX_TRAYS and not self._make_room():
                return
            tray = self._trays[topic.tray] = PublishedTray(topic.tray, self._own_key)
        for event in self._events(tray, topic.kind, opened.record):
            self._report(event)
        if tray.needs_snapshot:
            self._is_missing.set()

    def _make_room(self) -> bool:
        """Forget a tray that is not connected; return whether there was one."""
        gone = next((tray for tray in self._trays.values() if not tray.is_online), None)
        if gone is None:
            return False
        for event in gone.forget():
            self._report(event)
        del self._trays[gone.id]
        return True

    def _events(self, tray: PublishedTray, kind: str, record: bytes) -> list[SourceEvent]:
        if kind == PRESENCE:
            return tray.on_presence(decode(record, Presence))
        if kind == SNAPSHOT:
            snapshot = decode(record, Snapshot)
            check_servers(snapshot.servers)
            check_sessions(snapshot.sessions)
            return tray.on_snapshot(snapshot)
        if kind == BEAT:
            tray.on_beat(decode(record, Beat))
            return []
        if kind != CHANGE:
            raise UnsealError("no topic of a tray")
        change = decode(record, Change)
        check_servers(change.servers)
        check_sessions(change.sessions)
        return tray.on_change(change)

    async def work(self) -> None:
        """Notice silence, and ask for missing snapshots, until it is cancelled. Raises NotConnectedError."""
        await run_all((self._check_life(), self._ask_for_snapshots()))

    async def _check_life(self) -> NoReturn:
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            for tray in self._trays.values():
                for event in tray.check_life():
                    self._report(event)

    async def _ask_for_snapshots(self) -> NoReturn:
        asked: dict[str, int] = {}  # tray -> looks since it was asked
        while True:
            await self._is_missing.wait()
            missing = [tray.id for tray in self._trays.values() if tray.needs_snapshot]
            asked = {name: asked.get(name, -1) + 1 for name in missing}
            if not missing:
                self._is_missing.clear()
                continue
            for name in missing:
                if asked[name] % ASK_AGAIN == 0:
                    await self._outbox.send(name, ASK, SnapshotWanted())
            await asyncio.sleep(ASK_INTERVAL)

    def lose(self) -> None:
        """Show all trays as disconnected, because the broker is."""
        for tray in self._trays.values():
            for event in tray.lose():
                self._report(event)

    def forget(self) -> None:
        """Show no tray any more."""
        for tray in self._trays.values():
            for event in tray.forget():
                self._report(event)
        self._trays.clear()
