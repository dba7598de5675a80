"""When the icon's D-Bus signals and replies are sent, and when its menu is assumed to be closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tray.surfaces.backends.dbus_item import DBusItem
from tray.surfaces.backends.dbus_menu import REPLY_TIMEOUT

SIGNAL_INTERVAL = 0.1  # s; panels read all properties again at each signal, including all icon sizes


class ItemTimers:
    """The timers of one icon. `send_messages` sends what the item's `take_messages` returns."""

    def __init__(self, item: DBusItem, send_messages: Callable[[], None]) -> None:
        self._menu = item.menu
        self._send_messages = send_messages
        self._send_timer: asyncio.TimerHandle | None = None
        self._sent_at = 0.0  # s, loop time
        self._open_timer: asyncio.TimerHandle | None = None
        self._open_timer_for: tuple[int, float] = (0, 0.0)  # openings and seconds that the timer was started with
        self._reply_timer: asyncio.TimerHandle | None = None

    def update(self) -> None:
        """Start and cancel timers; to be called on the loop after each change of the item."""
        loop, menu = asyncio.get_running_loop(), self._menu
        if menu.has_replies:  # a panel waits for them before it shows the menu
            if self._send_timer is not None:
                self._send_timer.cancel()
            self._send()
        elif self._send_timer is None:
            self._send_timer = loop.call_at(max(self._sent_at + SIGNAL_INTERVAL, loop.time()), self._send)
        if self._open_timer is not None and self._open_timer_for != (menu.openings, menu.open_timeout):
            self._open_timer.cancel()
            self._open_timer = None
        self._open_timer_for = menu.openings, menu.open_timeout
        self._open_timer = _timer(self._open_timer, menu.open_timeout, self._close, wanted=menu.needs_open_timer)
        self._reply_timer = _timer(self._reply_timer, REPLY_TIMEOUT, self._reply, wanted=menu.needs_reply_timer)

    def _send(self) -> None:
        self._send_timer = None
        if self._menu.needs_reply_timer and not self._menu.has_replies:
            return  # signals are sent together with the reply, which says whether anything has changed
        self._sent_at = asyncio.get_running_loop().time()
        self._send_messages()

    def _close(self) -> None:
        self._menu.closed()
        self.update()

    def _reply(self) -> None:
        self._reply_timer = None
        self._menu.send_replies()
        self.update()


def _timer(
    timer: asyncio.TimerHandle | None, seconds: float, callback: Callable[[], None], *, wanted: bool
) -> asyncio.TimerHandle | None:
    """Return the timer, started if it is wanted and not running, or cancelled if it is not wanted."""
    if wanted:
        return timer or asyncio.get_running_loop().call_later(seconds, callback)
    if timer is not None:
        timer.cancel()
    return None
