"""Turns changes into notifications, sounds and speech, when each is due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from typing import Any, assert_never

from tray.core.alerts import Alerts, CheckFocus, Effect, Notify, Withdraw
from tray.core.fleet import Fleet
from tray.core.rules import alert_rules
from tray.core.servers import Server
from tray.core.session_index import EVERYTHING, SessionIndex
from tray.core.settings import SOUND, SPEAK, Settings
from tray.core.trace import effect_line
from tray.surfaces.notifications import Notifications
from tray.system import resources, sound
from tray.system.local_time import minute_of_day

log = logging.getLogger(__name__)

FOCUS_TIMEOUT = 0.5  # s that an alert waits for the focus check, which takes 10 to 60 ms

# Whether the user is looking at the server's terminal; its titles may be any of these. None: not known.
IsLookedAt = Callable[[Server, Collection[str]], Awaitable[bool | None]]


class Notifier:
    """Notifies the user of changes, unless notifications are muted. Runs on the event loop's thread."""

    def __init__(
        self,
        fleet: Fleet,
        index: SessionIndex,
        notifications: Notifications | None,
        settings: Callable[[], Settings],
        is_looked_at: IsLookedAt,
        spawn: Callable[[Coroutine[Any, Any, Any], str], object],
        now: Callable[[], int],
    ) -> None:
        """Without `notifications` alerts are computed, but not shown."""
        self._fleet = fleet
        self._index = index
        self._notifications = notifications
        self._settings = settings
        self._is_looked_at = is_looked_at
        self._spawn = spawn
        self._now = now
        self._alerts = Alerts(alert_rules(settings()))
        self._timer: asyncio.TimerHandle | None = None

    def reload_settings(self) -> None:
        """Apply the current settings."""
        self._alerts.rules = alert_rules(self._settings())

    def update(self, session_ids: frozenset[str]) -> None:
        """Show and withdraw notifications for the sessions that changed, and for those that are due by now."""
        at = self._now()
        self._carry_out(self._alerts.update(session_ids, self._index, at, silent=self._is_silent(at)), at)

    def repeat(self) -> None:
        """Show again what a restarted daemon has lost, and show what was silenced until now."""
        self.update(frozenset(row.session.id for row in self._index.rows() if row.status.needs_user))

    def _carry_out(self, effects: Iterable[Effect], at: int) -> None:
        for effect in effects:
            if log.isEnabledFor(logging.DEBUG):
                log.debug("%s", effect_line(effect))
            match effect:
                case Notify():
                    self._notify(effect)
                case Withdraw(session_id):
                    if self._notifications is not None:
                        self._notifications.withdraw(session_id)
                case CheckFocus(session_id):
                    self._spawn(self._check_focus(session_id), "focus")
                case _:
                    assert_never(effect)
        self.close()
        due = self._alerts.next_deadline()
        if due is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0, due - at) / 1000, self.update, frozenset())

    async def _check_focus(self, session_id: str) -> None:
        """Report to the alerts whether the user looks at the session; also after an error, as the alert waits."""
        looking: bool | None = None
        row = self._index.row(session_id)
        if row is not None and self._notifications is not None:
            titles = [session.title for session in self._fleet.tree(row.key)]
            try:
                async with asyncio.timeout(FOCUS_TIMEOUT):
                    looking = await self._is_looked_at(row.server, titles)
            except TimeoutError:
                log.debug("the focus check took longer than %g s", FOCUS_TIMEOUT)
            except Exception:  # an unneeded notification is better than a missing one
                log.exception("the focus check failed")
        at = self._now()
        effects = self._alerts.focus_reported(session_id, self._index, at, looking=looking, silent=self._is_silent(at))
        self._carry_out(effects, at)

    def close(self) -> None:
        """Cancel the timer of pending alerts."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _notify(self, effect: Notify) -> None:
        if self._notifications is None:
            return
        self._notifications.show(effect.alert)
        settings = self._settings()
        if settings[SOUND] == "soft":
            self._spawn(sound.play(resources.sound_file(effect.alert.reason.value)), "sound")
        if settings[SPEAK]:
            self._spawn(sound.speak(f"{effect.alert.title}: {effect.alert.reason.value}"), "speech")

    def _is_silent(self, at: int) -> bool:
        return EVERYTHING in self._fleet.mutes or self._settings().is_quiet(minute_of_day(at))
