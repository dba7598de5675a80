"""From what changed to notifications, sound and speech, each at its time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from tray.core.alerts import Alerts, Notify
from tray.core.board import EVERYTHING, Board
from tray.core.fleet import Fleet
from tray.core.settings import SOUND, SPEAK, Settings
from tray.surfaces.notifications import Notifications
from tray.system import resources, sound


class Announcer:
    """Says what a person should hear of, unless they want silence. Lives on the loop's thread."""

    def __init__(
        self,
        fleet: Fleet,
        board: Board,
        notifications: Notifications | None,
        settings: Callable[[], Settings],
        spawn: Callable[[Coroutine[Any, Any, Any], str], object],
        now: Callable[[], int],
    ) -> None:
        """Without `notifications` everything is followed and nothing is said."""
        self._fleet = fleet
        self._board = board
        self._notifications = notifications
        self._settings = settings
        self._spawn = spawn
        self._now = now
        self._alerts = Alerts(settings().alert_rules)
        self._timer: asyncio.TimerHandle | None = None

    def follow_settings(self) -> None:
        """Take the rules up as they are now."""
        self._alerts.rules = self._settings().alert_rules

    def update(self, session_ids: frozenset[str]) -> None:
        """These sessions have changed, or time has passed: say or withdraw what follows from it."""
        at = self._now()
        for effect in self._alerts.update(session_ids, self._board, at, silent=self._is_silent(at)):
            if isinstance(effect, Notify):
                self._announce(effect)
            elif self._notifications is not None:
                self._notifications.withdraw(effect.session_id)
        self.close()
        due = self._alerts.next_deadline()
        if due is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0, due - at) / 1000, self.update, frozenset())

    def close(self) -> None:
        """Say nothing that was to be said later."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _announce(self, effect: Notify) -> None:
        if self._notifications is None:
            return
        self._notifications.show(effect.alert)
        settings = self._settings()
        if settings[SOUND] == "soft":
            self._spawn(sound.play(resources.cue(effect.alert.reason.value)), "sound")
        if settings[SPEAK]:
            self._spawn(sound.speak(f"{effect.alert.title}: {effect.alert.reason.value}"), "speech")

    def _is_silent(self, at: int) -> bool:
        clock = datetime.fromtimestamp(at / 1000).astimezone()
        return EVERYTHING in self._fleet.mutes or self._settings().is_quiet(clock.hour * 60 + clock.minute)
