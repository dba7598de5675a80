"""What the fleet makes of random events: all that is shown, stored and written to the history can be computed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import msgspec

from replay import SERVER
from tray.core.events import Event, ServerConnected
from tray.core.fleet import Fleet
from tray.core.history import HistoryRecord
from tray.core.ledger import Ledger
from tray.core.prices import Price
from tray.core.servers import AgentKind, Server
from tray.core.session_index import SessionIndex
from tray.storage.cache import encode_cache
from tray.surfaces.control.overview import overview
from tray.surfaces.control.status_report import status_report
from tray.surfaces.menu.builder import ViewBuilder, ViewSettings
from tray.system.local_day import day_number

SHOW_INTERVAL = 500  # events between two looks
MAX_SQLITE = 2**63  # a larger number is no value of SQLite


class FuzzedFleet:
    """A fleet with one server that has proven the token, and everything that is computed from it."""

    def __init__(
        self, kind: AgentKind = AgentKind.OPENCODE, store: Callable[[list[HistoryRecord]], None] | None = None
    ) -> None:
        """`store` takes what is added to the history; without it, the numbers are checked."""
        self._store = store or check_records
        self.server = msgspec.structs.replace(SERVER, agent_kind=kind, verified=True)
        self._fleet = Fleet()
        self._index = SessionIndex(self._fleet)
        self._views = ViewBuilder(self._fleet, self._index)
        self._ledger = Ledger(self._fleet, day_number)
        self._ledger.prices = {"anthropic/x": Price(15.0, 75.0, 1.5, 18.75)}
        self._applied = 0
        self.apply((ServerConnected(self.server),), 0)

    def connect(self, server: Server, at: int) -> None:
        """Replace the server by one with other values."""
        self.apply((ServerConnected(msgspec.structs.replace(server, id=self.server.id, verified=True)),), at)

    def apply(self, events: Iterable[Event], at: int) -> None:
        """Apply events at a time (ms since the Unix epoch)."""
        for event in events:
            changes = self._fleet.apply(event, at)
            self._index.update(changes)
            self._store(self._ledger.records(event, changes, at))
            self._applied += 1
            if self._applied % SHOW_INTERVAL == 0:
                self.look(at)

    def look(self, at: int) -> None:
        """Compute icon, menu, reports and cache."""
        self._views.build(ViewSettings(), at)
        json.dumps(status_report(self._fleet, self._index))
        json.dumps(overview(self._fleet, self._index, at))
        encode_cache(self._fleet)


def check_records(records: Iterable[HistoryRecord]) -> None:
    """Fail if a record of the history has a number that SQLite cannot store."""
    for record in records:
        for value in _values(record):
            assert not isinstance(value, int) or abs(value) < MAX_SQLITE, record


def _values(record: msgspec.Struct) -> Iterable[object]:
    for value in msgspec.structs.astuple(record):
        yield from _values(value) if isinstance(value, msgspec.Struct) else (value,)
