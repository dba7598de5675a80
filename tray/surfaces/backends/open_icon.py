"""Which kind of tray icon this desktop gets."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

from tray.core.commands import Command
from tray.surfaces.backends.tray_icon import TrayIcon, TrayUnavailable
from tray.surfaces.menu.items import OpenSubmenus
from tray.surfaces.menu.view import TrayView
from tray.system import tray_host

log = logging.getLogger(__name__)

FOR_A_MENU = "install PyGObject and gir1.2-ayatanaappindicator3-0.1, or use a panel with StatusNotifier support"


def open_tray_icon(
    app_id: str,
    title: str,
    view: TrayView,
    on_choice: Callable[[Command], None],
    on_opened: Callable[[OpenSubmenus], None],
    on_host: Callable[[bool], None],
) -> TrayIcon | None:
    """The icon for this desktop, not yet shown; None, and a log line, where there can be none.

    These are called from any thread and must not block: `on_choice`, `on_opened` (these submenus have to be filled) and
    `on_host` (a panel shows the icon, or no longer does).
    """
    from tray.surfaces.backends.pystray_icon import PystrayIcon  # noqa: PLC0415  # headless needs none of this

    if sys.platform in ("darwin", "win32"):
        return PystrayIcon(sys.platform, app_id, view, on_choice, on_opened)
    x, wayland = os.environ.get("DISPLAY"), os.environ.get("WAYLAND_DISPLAY")
    host = asyncio.run(tray_host.find())
    if not host.watcher and not (x or wayland):
        log.info("no tray icon: there is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set)")
        return None
    older = [kind for kind in ("appindicator", "gtk") if find_spec("gi")] + ["xorg"] if x else []
    icons: list[Callable[[], TrayIcon]] = []
    if host.bus:
        from tray.surfaces.backends.status_notifier import StatusNotifierIcon  # noqa: PLC0415  # Linux only

        icons.append(
            lambda: StatusNotifierIcon(
                app_id, title, view, on_choice, on_host, tray_host.has_xembed if x else _no, on_opened
            )
        )
    icons += [partial(PystrayIcon, kind, app_id, view, on_choice, on_opened) for kind in older]
    if not icons:
        log.info("no tray icon: no D-Bus session bus answers. Install dbus (dbus-user-session) and log in again")
        return None
    return FirstThatShows(icons)


class FirstThatShows:
    """The first of several kinds of icon that can be shown."""

    def __init__(self, icons: list[Callable[[], TrayIcon]]) -> None:
        self._others = icons[1:]
        self._icon = icons[0]()
        self._view: TrayView | None = None
        self._stopped = False

    @property
    def name(self) -> str:
        """The kind that is shown, or tried, now."""
        return self._icon.name

    @property
    def has_menu(self) -> bool:
        """Whether that kind has a menu."""
        return self._icon.has_menu

    def run(self) -> None:
        """Show the first kind that can be shown, until `stop`."""
        while not self._stopped:
            try:
                return self._icon.run()
            except TrayUnavailable as error:
                if not self._others:
                    raise
                log.info("no %s icon: %s", self.name, error)
            self._icon = self._others.pop(0)()
            if self._view is not None:
                self._icon.show(self._view)
            if not self.has_menu:
                log.warning("this tray gets no menu, a click goes to whoever waits longest; for a menu %s", FOR_A_MENU)
        return None

    def show(self, view: TrayView) -> None:
        """Show this from now on."""
        self._view = view
        self._icon.show(view)

    def stop(self) -> None:
        """Take the icon away."""
        self._stopped = True
        self._icon.stop()


def _no() -> bool:
    return False
