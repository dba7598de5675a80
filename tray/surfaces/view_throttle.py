"""Limits how often views are built: at once after a pause, but never for more than half of the CPU time.

Icon and tooltip follow every change. The menu is built less often, and rarely while it is closed: panels read a changed
menu again, open or not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

import msgspec

from tray.core.events import Change, SessionChanged
from tray.surfaces.menu.items import OpenSubmenus
from tray.surfaces.menu.view import TrayView

# The shortest time from one view to the next, in s, by what has changed. After a pause a change is shown at once.
STATE_DELAY, TEXT_DELAY, DETAIL_DELAY = 0.0, 0.1, 2.0
REST_PER_COST = 1  # pause after a view, as a multiple of its build time


class MenuRate(msgspec.Struct, frozen=True):
    """How often the menu is built."""

    closed: float = 2.0  # s between two menus while the menu is closed
    opened: float = 0.5  # s between two menus while it is open; Xfce's panel crashes at 100 menus a second
    burst: int = 4  # menus in a row after a pause: a server connects, its sessions appear, one of them asks


class ViewThrottle:
    """Shows every view that differs from the previous one. Runs on the event loop's thread.

    `build_view(True)` returns a complete view, `build_view(False)` may contain the previous menu.
    """

    def __init__(self, build_view: Callable[[bool], TrayView], rate: MenuRate | None = None) -> None:
        self._build_view = build_view
        self._rate = rate or MenuRate()
        self._show: Callable[[TrayView], None] | None = None
        self._shown: TrayView | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._shown_at = 0.0  # s, loop time
        self._cost = 0.0  # s that the previous view took
        self._menu_interval = self._rate.closed
        self._menu_wanted = True  # build the menu with the next view, whatever the rate
        self._menu_timer: asyncio.TimerHandle | None = None
        self._menus_until = 0.0  # s, loop time: each menu adds one interval; at most `burst` intervals from now

    def show_on(self, show: Callable[[TrayView], None]) -> None:
        """Pass the current view, and from now on every new one, to `show`."""
        self._show = show
        self.refresh()

    def changed(self, changes: Iterable[Change]) -> None:
        """Show these changes as soon as the most urgent of them requires."""
        self._refresh_in(min(map(_delay, changes)))

    def set_open(self, open_submenus: OpenSubmenus) -> None:
        """Show the current menu at once: the user opened or closed the menu or a submenu."""
        is_open = open_submenus.all_open or open_submenus.ids
        self._menu_interval = self._rate.opened if is_open else self._rate.closed
        self._menu_wanted = True
        self._menus_until = 0.0
        if self._menu_timer is not None:
            self._menu_timer.cancel()
            self._menu_timer = None
        self.refresh()

    def refresh(self) -> None:
        """Show the current view as soon as the CPU limit allows."""
        self._refresh_in(STATE_DELAY)

    def close(self) -> None:
        """Stop showing views."""
        self._show = None
        for timer in (self._timer, self._menu_timer):
            if timer is not None:
                timer.cancel()

    def _refresh_in(self, delay: float) -> None:
        if self._show is None:
            return
        loop = asyncio.get_running_loop()
        due = max(loop.time(), self._shown_at + max(delay, REST_PER_COST * self._cost))
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = loop.call_at(due, self._refresh)

    def _refresh(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        started, at = time.perf_counter(), loop.time()
        menu_due = self._menus_until - (self._rate.burst - 1) * self._menu_interval
        with_menu = self._menu_wanted or at >= menu_due
        view = self._build_view(with_menu)
        if with_menu:
            self._menu_wanted = False
            if self._shown is None or view.menu != self._shown.menu:
                self._menus_until = max(self._menus_until, at) + self._menu_interval
        elif self._menu_timer is None:
            self._menu_timer = loop.call_at(menu_due, self._refresh_menu)
        if self._show is not None and view != self._shown:
            self._show(view)
            self._shown = view
        self._cost = time.perf_counter() - started
        self._shown_at = loop.time()

    def _refresh_menu(self) -> None:
        self._menu_timer = None
        self.refresh()


def _delay(change: Change) -> float:
    """Return the delay for a change: none for a session's state, short for its text, long for its details."""
    if not isinstance(change, SessionChanged) or change.before is None:
        return STATE_DELAY
    before, after = change.before, change.after
    if (before.status, before.requests) != (after.status, after.requests):
        return STATE_DELAY
    text = (before.title, before.parent, before.tool, before.failure, before.retry)
    return TEXT_DELAY if text != (after.title, after.parent, after.tool, after.failure, after.retry) else DETAIL_DELAY
