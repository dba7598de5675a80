"""When a view is made: at once after a pause, and never so often that views take more than half a core.

Icon and tooltip follow every change. The menu is made only when it is due, and rarely while nobody looks at it: panels
read a changed menu anew, open or not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

import msgspec

from tray.core.events import Change, SessionChanged
from tray.surfaces.menu.items import Opened
from tray.surfaces.menu.view import TrayView

# How soon after the last view a change is shown, in s; the first one after a pause is shown at once.
STATE_PACE, WORDS_PACE, DETAILS_PACE = 0.0, 0.1, 2.0
PAUSE_AFTER_VIEW = 1  # times what the last view cost


class MenuPace(msgspec.Struct, frozen=True):
    """How often a menu is shown; in s."""

    closed: float = 2.0
    opened: float = 0.5  # while a person looks at it; Xfce's panel crashes at 100 menus a second
    at_once: int = 4  # menus in a row after a pause: a server comes, its sessions come, one of them asks


class ViewThrottle:
    """Shows every view that differs from the last one. Lives on the loop's thread.

    `view(True)` makes a whole view; `view(False)` may keep the last menu.
    """

    def __init__(self, view: Callable[[bool], TrayView], pace: MenuPace | None = None) -> None:
        self._view = view
        self._pace = pace or MenuPace()
        self._show: Callable[[TrayView], None] | None = None
        self._shown: TrayView | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._shown_at = 0.0  # s, of the loop's clock
        self._cost = 0.0  # s that the last view took
        self._menu_every = self._pace.closed
        self._menu_wanted = True  # now, whatever the pace
        self._menu_timer: asyncio.TimerHandle | None = None
        self._paid_until = 0.0  # each menu moves it on, ahead of now by `at_once` of them at most

    def show_on(self, show: Callable[[TrayView], None]) -> None:
        """From now on give every new view to `show`, this moment's first."""
        self._show = show
        self.refresh()

    def changed(self, changes: Iterable[Change]) -> None:
        """Show these as soon as the most urgent of them deserves."""
        self._refresh_in(min(map(_pace, changes)))

    def opened(self, opened: Opened) -> None:
        """A person opened or closed the menu or a submenu: show the menu of this moment at once."""
        self._menu_every = self._pace.opened if opened.everything or opened.fills else self._pace.closed
        self._menu_wanted = True
        self._paid_until = 0.0
        if self._menu_timer is not None:
            self._menu_timer.cancel()
            self._menu_timer = None
        self.refresh()

    def refresh(self) -> None:
        """Show what is true now, as soon as the last view has been paid for."""
        self._refresh_in(STATE_PACE)

    def close(self) -> None:
        """Show nothing more."""
        self._show = None
        for timer in (self._timer, self._menu_timer):
            if timer is not None:
                timer.cancel()

    def _refresh_in(self, pause: float) -> None:
        if self._show is None:
            return
        loop = asyncio.get_running_loop()
        due = max(loop.time(), self._shown_at + max(pause, PAUSE_AFTER_VIEW * self._cost))
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = loop.call_at(due, self._refresh)

    def _refresh(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        begun, at = time.perf_counter(), loop.time()
        menu_due = self._paid_until - (self._pace.at_once - 1) * self._menu_every
        whole = self._menu_wanted or at >= menu_due
        view = self._view(whole)
        if whole:
            self._menu_wanted = False
            if self._shown is None or view.menu != self._shown.menu:
                self._paid_until = max(self._paid_until, at) + self._menu_every
        elif self._menu_timer is None:
            self._menu_timer = loop.call_at(menu_due, self._menu_is_due)
        if self._show is not None and view != self._shown:
            self._show(view)
            self._shown = view
        self._cost = time.perf_counter() - begun
        self._shown_at = loop.time()

    def _menu_is_due(self) -> None:
        self._menu_timer = None
        self.refresh()


def _pace(change: Change) -> float:
    """How soon a change is worth a new view: what a session does, at once; its words soon; its details now and then."""
    if not isinstance(change, SessionChanged) or change.before is None:
        return STATE_PACE
    before, after = change.before, change.after
    if (before.status, before.requests) != (after.status, after.requests):
        return STATE_PACE
    words = (before.title, before.parent, before.tool, before.failure, before.retry)
    return WORDS_PACE if words != (after.title, after.parent, after.tool, after.failure, after.retry) else DETAILS_PACE
