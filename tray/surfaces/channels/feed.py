"""Decides what one channel says, and when: the rules of alerts with the channel's own settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import msgspec

from tray.core import quiet_hours
from tray.core.alerts import AlertRules, Alerts, Notify, Reason, WhenLooking, Withdraw
from tray.core.answers import RequestKey
from tray.core.channel_settings import ChannelSettings
from tray.core.fleet import Fleet
from tray.core.session_index import EVERYTHING, SessionIndex
from tray.core.sessions import Status
from tray.surfaces.channels.channel import Limits
from tray.surfaces.channels.message_queue import MessageQueue, SentMessage
from tray.surfaces.channels.messages import message_of
from tray.system.local_time import minute_of_day

COMES_BACK_WITHIN = 60_000  # ms in which a session that was disconnected goes on, such as after a restart of the tray


class FeedContext(msgspec.Struct, frozen=True):
    """What the feeds of all channels share. Times are in ms."""

    fleet: Fleet
    index: SessionIndex
    outcome: Callable[[RequestKey], str]  # returns how a request was answered, and where
    now: Callable[[], int]
    finished_after: Callable[[], int]  # returns the setting

    def ended(self, key: RequestKey) -> str:
        """Return how a request ended that a message is about."""
        is_pending = self.fleet.request(key) is not None
        return "Still waiting, after another one" if is_pending else self.outcome(key)


class ChannelFeed:
    """Lives on the event loop's thread."""

    def __init__(self, settings: ChannelSettings, queue: MessageQueue, limits: Limits, context: FeedContext) -> None:
        self._settings = settings
        self._queue = queue
        self._limits = limits
        self._context = context
        self._alerts = Alerts(self._rules())
        self._timer: asyncio.TimerHandle | None = None
        self._ending: dict[str, int] = {}  # by session ID: since when its message is to end, once it is clear how

    def _rules(self) -> AlertRules:
        return AlertRules(
            reasons=frozenset(map(Reason, self._settings.reasons)),
            finished_after=self._context.finished_after(),
            when_looking=WhenLooking.SHOW,
            delay=self._settings.delay * 1000,
            projects=self._settings.projects,
        )

    def restore(self) -> None:
        """Take over the messages of an earlier run, which the queue has."""
        for session_id, sent in self._queue.sent.items():
            self._alerts.restore(session_id, sent.identity, sent.message.reason)

    def update_waiting(self) -> None:
        """Send what was silenced until now, or was not known to this channel yet."""
        rows = self._context.index.rows()
        self.update([row.session.id for row in rows if row.status.needs_user], self._context.now())

    def update(self, session_ids: Iterable[str], at: int) -> None:
        """Bring the messages of these sessions up to date, and those that are due by `at` (ms since the Unix epoch)."""
        if self._context.finished_after() != self._alerts.rules.finished_after:
            self._alerts.rules = self._rules()
        for effect in self._alerts.update(session_ids, self._context.index, at, silent=self._is_silent(at)):
            if isinstance(effect, Notify):
                alert = effect.alert
                self._ending.pop(alert.session.session, None)
                message = message_of(alert, self._settings.detail, self._limits)
                request = alert.request.id if alert.request is not None else ""
                self._queue.show(SentMessage(message, alert.session.server, request, alert.identity))
            elif isinstance(effect, Withdraw):
                self._ending.setdefault(effect.session_id, at)
        for session_id in list(self._ending):
            self._end(session_id, at)
        self._set_timer(at)

    def _end(self, session_id: str, at: int) -> None:
        """End the session's message, unless an answer is on its way, or the session may come back soon."""
        key, row = self._queue.request_of(session_id), self._context.index.row(session_id)
        is_lost = row is not None and row.status is Status.DISCONNECTED
        if key is not None and self._context.fleet.request(key) is not None:
            return
        if key is not None and is_lost and 0 <= at - self._ending[session_id] < COMES_BACK_WITHIN:
            return
        del self._ending[session_id]
        self._queue.close(session_id)

    def _is_silent(self, at: int) -> bool:
        is_quiet = quiet_hours.is_quiet(self._settings.quiet_hours, minute_of_day(at))
        return is_quiet or EVERYTHING in self._context.fleet.mutes

    def _set_timer(self, at: int) -> None:
        self.close()
        lost = [since + COMES_BACK_WITHIN for since in self._ending.values() if 0 <= at - since < COMES_BACK_WITHIN]
        due = min(filter(None, (self._alerts.next_deadline(), *lost)), default=None)
        if due is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0, due - at) / 1000, self._time_passed)

    def _time_passed(self) -> None:
        self.update((), self._context.now())

    def close(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
