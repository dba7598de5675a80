"""Between the app and the icon: icon and tooltip at once, the menu at a pace that panels bear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from tray.surfaces.view import TrayView

MENU_EVERY = 2.0  # s; panels read a changed menu anew though nobody looks at it
OPEN_MENU_EVERY = 0.5  # s, while a person looks at it; Xfce's panel crashes at 100 menus a second
AT_ONCE = 4  # menus in a row after a pause: a server comes, its sessions come, one of them asks


class PacedMenu:
    """Hands views on to `show`. The first few menus after a pause go at once, further ones when they are due.

    A menu that answers the opening of a submenu goes at once. Used on one asyncio loop's thread.
    """

    def __init__(self, show: Callable[[TrayView], None]) -> None:
        self._show = show
        self._given: TrayView | None = None
        self._latest: TrayView | None = None
        self._paid_until = 0.0  # each menu moves it on, ahead of now by AT_ONCE of them at most
        self._timer: asyncio.TimerHandle | None = None

    def show(self, view: TrayView) -> None:
        """Show this from now on."""
        loop = asyncio.get_running_loop()
        self._latest = view
        given = self._given
        due = self._paid_until - (AT_ONCE - 1) * _every(view)
        if given is None or view.menu == given.menu or view.opened != given.opened or loop.time() >= due:
            self._give(view)
            return
        self._give(replace(view, menu=given.menu))
        if self._timer is None:
            self._timer = loop.call_at(due, self._catch_up)

    def _catch_up(self) -> None:
        self._timer = None
        if self._latest is not None:
            self._give(self._latest)

    def _give(self, view: TrayView) -> None:
        if self._given is None or view.menu != self._given.menu:
            self._paid_until = max(self._paid_until, asyncio.get_running_loop().time()) + _every(view)
        if view != self._given:
            self._given = view
            self._show(view)


def _every(view: TrayView) -> float:
    return OPEN_MENU_EVERY if view.opened.everything or view.opened.fills else MENU_EVERY
