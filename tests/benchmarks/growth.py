"""Measure how the cost of each step grows with the number of sessions. Exit code 1 if it grows faster than linearly.

Run: `python tests/benchmarks/growth.py`, with the project installed; about half a minute, no desktop needed. The
CPU time of each step is measured in this process.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent)]

from tray.core.events import (  # noqa: E402
    ActivityReported,
    RequestAsked,
    RequestClosed,
    ServerConnected,
    ServerLost,
    SessionFacts,
    SessionReported,
    SessionSeen,
    SnapshotTaken,
)
from tray.core.fleet import Fleet  # noqa: E402
from tray.core.servers import Server  # noqa: E402
from tray.core.session_index import SessionIndex  # noqa: E402
from tray.core.sessions import Activity, Request, RequestKind, SessionKey  # noqa: E402
from tray.surfaces.control.status_report import status_report  # noqa: E402
from tray.surfaces.menu.builder import ViewBuilder, ViewSettings  # noqa: E402

START = 1_790_000_000_000  # ms since the Unix epoch
FLEETS = (
    (1, 10),
    (20, 10),
    (100, 10),
    (500, 10),
    (500, 40),
    (1, 200),
    (1, 1000),
    (20, 1000),
)  # servers, sessions
REPEATS = 200
ALLOWED = 3.0  # allowed ratio between the largest and the smallest fleet, for a step of one event
ALLOWED_EACH = 3.0  # the same per session, for a step that changes every session


class Growth:
    """A fleet and the costs of its steps."""

    def __init__(self, servers: int, sessions: int) -> None:
        self.servers, self.sessions = servers, sessions
        self.fleet = Fleet()
        self.index = SessionIndex(self.fleet)
        self.views = ViewBuilder(self.fleet, self.index)
        self.at = START
        self.cost: dict[str, float] = {}  # µs
        self.each: dict[str, float] = {}  # µs for one session

    def apply(self, event) -> None:
        self.at += 1
        self.index.update(self.fleet.apply(event, self.at))

    def measure(self, name: str, step: Callable[[int], None]) -> None:
        gc.collect()
        begun = time.process_time()
        for number in range(REPEATS):
            step(number)
        self.cost[name] = (time.process_time() - begun) / REPEATS * 1e6

    def measure_all(self, name: str, step: Callable[[int], None]) -> None:
        """Measure `step`, which is called once for each server, per session."""
        gc.collect()
        begun = time.process_time()
        for number in range(self.servers):
            step(number)
        self.each[name] = (time.process_time() - begun) / (self.servers * self.sessions) * 1e6

    def run(self) -> None:
        self.measure_all("connect", self._connect)
        self.measure_all("lose", lambda number: self.apply(ServerLost(f"s{number}")))
        self.measure_all("reconnect", self._connect)
        busy, idle = Activity.BUSY, Activity.IDLE
        self.measure("status", lambda n: self.apply(ActivityReported(*self._name(n // 2), idle if n % 2 else busy)))
        self.measure("asked", lambda n: self.apply(RequestAsked(self._name(n)[0], self._request(n))))
        self.measure("replied", lambda n: self.apply(RequestClosed(*self._name(n), f"r{n}")))
        self.measure("updated", lambda n: self.apply(SessionReported(self._name(n)[0], self._facts(n, f"Title {n}"))))
        self.measure("seen", lambda n: self.apply(SessionSeen(SessionKey(*self._name(n)))))
        self.measure("view", self._changed_view)
        self.measure_all("report", self._report)

    def _name(self, number: int) -> tuple[str, str]:
        server = number * 7 % self.servers
        return f"s{server}", f"s{server}-{number * 13 % self.sessions}"

    def _request(self, number: int) -> Request:
        return Request(f"r{number}", self._name(number)[1], RequestKind.PERMISSION, "bash", "make test")

    def _facts(self, number: int, title: str) -> SessionFacts:
        return SessionFacts(self._name(number)[1], title=title, updated=self.at)

    def _connect(self, number: int) -> None:
        name = f"s{number}"
        facts = tuple(
            SessionFacts(
                f"{name}-{session}", title=f"Session {session}", directory=f"/home/me/p{number}", updated=START
            )
            for session in range(self.sessions)
        )
        self.apply(ServerConnected(Server(name, f"p{number}", "here", f"/home/me/p{number}")))
        self.apply(SnapshotTaken(name, sessions=facts, activities={}, permissions=(), questions=(), todos={}))

    def _changed_view(self, number: int) -> None:
        self.apply(ActivityReported(*self._name(number // 2), Activity.IDLE if number % 2 else Activity.BUSY))
        self.views.build(ViewSettings(), self.at)

    def _report(self, number: int) -> None:
        if number == 0:
            status_report(self.fleet, self.index)


def main() -> int:
    fleets = [Growth(*size) for size in FLEETS]
    for fleet in fleets:
        fleet.run()
    heads = [f"{fleet.servers}x{fleet.sessions}" for fleet in fleets]
    print("µs of CPU".ljust(24), *(head.rjust(8) for head in heads), "  largest / smallest")
    worse = []
    for kind, allowed in (("cost", ALLOWED), ("each", ALLOWED_EACH)):
        for name in getattr(fleets[0], kind):
            values = [getattr(fleet, kind)[name] for fleet in fleets]
            ratio = max(values) / max(values[0], 1.0)
            label = f"{name}, one event" if kind == "cost" else f"{name}, one session"
            print(label.ljust(24), *(f"{value:8.1f}" for value in values), f"{ratio:8.1f}")
            if ratio > allowed:
                worse.append(label)
    for label in worse:
        print(f"worse than linear: {label}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
