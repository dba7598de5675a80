"""Replay recorded OpenCode events through decoder, fleet, session index and alerts, with the recorded clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tray.core.alerts import AlertRules, Alerts, Notify, WhenLooking
from tray.core.events import Change, Event, ServerConnected, SnapshotTaken
from tray.core.fleet import Fleet
from tray.core.servers import Server
from tray.core.session_index import SessionIndex, SessionRow
from tray.sources.protocol.events import decode_event

RECORDINGS = Path(__file__).parent / "recordings"
SERVER = Server("instance", "project", "host", "/home/dev/project")


def recording(version: str, scenario: str) -> list[dict[str, Any]]:
    """Return the lines of a recording: `{"t": ms, "event": {...}}`."""
    text = (RECORDINGS / version / f"{scenario}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@dataclass
class Play:
    """A fleet with a connected server, and all alerts so far."""

    fleet: Fleet = field(default_factory=Fleet)
    alerts: Alerts = field(default_factory=lambda: Alerts(AlertRules(finished_after=0, when_looking=WhenLooking.SHOW)))
    announced: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.index = SessionIndex(self.fleet)

    def connect(self, at: int) -> None:
        self.apply(ServerConnected(SERVER), at)
        self.apply(SnapshotTaken(SERVER.id), at)

    def apply(self, event: Event, at: int) -> None:
        self.wait_until(at)
        self._update_alerts(self.fleet.apply(event, at), at)

    def wait_until(self, at: int) -> None:
        while (due := self.alerts.next_deadline()) is not None and due <= at:
            self._update_alerts((), due)

    def _update_alerts(self, changes: tuple[Change, ...], at: int) -> None:
        for effect in self.alerts.update(self.index.update(changes), self.index, at, silent=False):
            self.announced.append(effect.alert.reason.value if isinstance(effect, Notify) else "withdrawn")

    def events(self, lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Apply the lines one by one; yield each one afterwards."""
        for line in lines:
            for event in decode_event(SERVER.id, json.dumps(line["event"]).encode(), line["t"]):
                self.apply(event, line["t"])
            yield line

    def row(self) -> SessionRow | None:
        """Return the row of the session that changed last."""
        return max(self.index.rows(), key=lambda row: row.session.updated, default=None)


def played(version: str, scenario: str) -> Play:
    """Play a whole recording and five more seconds."""
    lines = recording(version, scenario)
    play = Play()
    play.connect(lines[0]["t"])
    for _ in play.events(lines):
        pass
    play.wait_until(lines[-1]["t"] + 5000)
    return play
