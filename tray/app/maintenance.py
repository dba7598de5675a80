"""The periodic jobs of the application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tray.actions.serve.started import rotate_logs
from tray.app.clock import JumpDetector
from tray.app.endpoint_publisher import EndpointPublisher
from tray.app.live_settings import LiveSettings
from tray.app.periodic import Job
from tray.app.setup_check import SetupCheck
from tray.app.state_cache import StateCache
from tray.core.events import Event, TimePassed
from tray.core.fleet import Fleet
from tray.core.rules import fleet_rules
from tray.core.session_index import SessionIndex
from tray.sources.router import SourceRouter
from tray.storage.token import Token
from tray.surfaces.notifier import Notifier
from tray.surfaces.view_throttle import ViewThrottle

log = logging.getLogger(__name__)


class Maintenance:
    """Expires state, follows files that other programs change, and repairs what was lost."""

    def __init__(
        self,
        fleet: Fleet,
        index: SessionIndex,
        sources: SourceRouter,
        notifier: Notifier,
        live: LiveSettings,
        token: Token,
        apply: Callable[[Event], None],
        token_changed: Callable[[], None],
    ) -> None:
        self._fleet = fleet
        self._index = index
        self._sources = sources
        self._notifier = notifier
        self._live = live
        self._token = token
        self._apply = apply
        self._token_changed = token_changed

    def jobs(
        self,
        jumps: JumpDetector,
        setup: SetupCheck,
        endpoint: EndpointPublisher,
        server_records: Path,
        throttle: ViewThrottle,
        cache: StateCache,
    ) -> dict[str, Job]:
        """Return the jobs by name, in the order in which they run."""
        return {
            "detect sleep": lambda: self._reread_after(jumps.jump()),
            "sweep connections": self._sources.sweep,
            "look for OpenCode": self._sources.look,
            "expire": lambda: self._apply(TimePassed()),
            "repeat alerts": self._repeat_alerts,
            "reload settings": self._reload_settings,
            "check setup": setup.refresh,
            "restore endpoint": endpoint.restore,
            "reread token": self._reread_token,
            "rotate server logs": partial(asyncio.to_thread, rotate_logs, server_records),
            "refresh views": throttle.refresh,
            "save state": cache.save_if_due,
        }

    def _reread_after(self, jump: float) -> None:
        if jump:
            log.info("the clock jumped by %.0f s; every source is read again", jump)
            self._sources.reread_all()

    def _repeat_alerts(self) -> None:
        """Show notifications that a restarted daemon lost, and those whose silence is over."""
        self._notifier.update(frozenset(row.session.id for row in self._index.rows() if row.status.needs_user))

    def _reload_settings(self) -> None:
        self._live.reload()
        self._fleet.rules = fleet_rules(self._live.current)
        self._notifier.reload_settings()

    async def _reread_token(self) -> None:
        if await asyncio.to_thread(self._token.reread):
            self._token_changed()
