"""The state of the application, in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tray.core.events import Change, Event
from tray.core.fleet import Fleet
from tray.core.rules import fleet_rules
from tray.core.session_index import SessionIndex
from tray.core.settings import Settings
from tray.core.trace import change_lines, event_line

log = logging.getLogger(__name__)


class AppState:
    """Sessions and their order. `apply` is the only place where they change."""

    def __init__(self, settings: Callable[[], Settings], now: Callable[[], int]) -> None:
        """`settings` returns the current ones; `now` returns ms since the Unix epoch."""
        self.settings = settings
        self.now = now
        self.fleet = Fleet(fleet_rules(settings()))
        self.index = SessionIndex(self.fleet)

    def apply(self, event: Event) -> tuple[tuple[Change, ...], frozenset[str]]:
        """Apply an event; return what changed, and the ids of the root sessions whose rows changed."""
        changes = self.fleet.apply(event, self.now())
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s", "\n".join([event_line(event), *change_lines(changes)]))
        return changes, self.index.update(changes) if changes else frozenset()

    def reload_settings(self) -> None:
        """Apply the current settings."""
        self.fleet.rules = fleet_rules(self.settings())
