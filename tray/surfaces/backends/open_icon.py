"""Selects the kind of tray icon for this desktop."""

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
from tray.system.display import has_display

log = logging.getLogger(__name__)

MENU_HINT = "install PyGObject and gir1.2-ayatanaappindicator3-0.1, or use a panel with StatusNotifier support"


def open_tray_icon(
    app_id: str,
    title: str,
    view: TrayView,
    on_command: Callable[[Command], None],
    on_open_changed: Callable[[OpenSubmenus], None],
    on_hosted: Callable[[bool], None],
) -> TrayIcon | None:
    """Return the icon for this desktop, not yet shown; None, with a log line, if no kind of icon is possible.

    The callbacks are called from any thread and must not block. `on_open_changed` receives the submenus that have to be
    built, `on_hosted` whether a panel shows the icon.
    """
    from tray.surfaces.backends.pystray_icon import PystrayIcon  # noqa: PLC0415  # not needed headless

    if sys.platform == "darwin" and not tray_host.has_window_server():  # AppKit would end the program
        log.info("no tray icon: macOS shows none in this session, as over SSH")
        return None
    if sys.platform in ("darwin", "win32"):
        return PystrayIcon(sys.platform, app_id, view, on_command, on_open_changed)
    x11 = os.environ.get("DISPLAY")
    host = asyncio.run(tray_host.find())
    if not host.bus and not has_display():
        log.info("no tray icon: no display (neither DISPLAY nor WAYLAND_DISPLAY is set)")
        return None
    icons: list[Callable[[], TrayIcon]] = []
    if host.bus:
        from tray.surfaces.backends.status_notifier import StatusNotifierIcon  # noqa: PLC0415  # Linux only

        has_fallback = tray_host.has_xembed if x11 else _no_fallback
        icons.append(
            partial(StatusNotifierIcon, app_id, title, view, on_command, on_hosted, has_fallback, on_open_changed)
        )
    fallbacks = [kind for kind in ("appindicator", "gtk") if find_spec("gi")] + ["xorg"] if x11 else []
    icons += [partial(PystrayIcon, kind, app_id, view, on_command, on_open_changed) for kind in fallbacks]
    if not icons:
        log.info("no tray icon: no D-Bus session bus; install dbus-user-session and log in again")
        return None
    return FirstAvailableIcon(icons)


class FirstAvailableIcon:
    """A TrayIcon: the first of several kinds that can be shown."""

    def __init__(self, icons: list[Callable[[], TrayIcon]]) -> None:
        self._fallbacks = icons[1:]
        self._icon = icons[0]()
        self._view: TrayView | None = None
        self._stopped = False

    @property
    def name(self) -> str:
        """The kind that is shown, or being tried."""
        return self._icon.name

    @property
    def has_menu(self) -> bool:
        """Whether that kind has a menu."""
        return self._icon.has_menu

    def run(self) -> None:
        """Show the first kind that can be shown, until `stop`. Raises TrayUnavailable if none can."""
        while not self._stopped:
            try:
                return self._icon.run()
            except TrayUnavailable as error:
                if not self._fallbacks:
                    raise
                log.info("no %s icon: %s", self.name, error)
            self._icon = self._fallbacks.pop(0)()
            if self._view is not None:
                self._icon.show(self._view)
            if not self.has_menu:
                log.warning(
                    "this tray has no menu; a click opens the longest-waiting session. For a menu, %s", MENU_HINT
                )
        return None

    def show(self, view: TrayView) -> None:
        """Show this view."""
        self._view = view
        self._icon.show(view)

    def stop(self) -> None:
        """Remove the icon; `run` returns."""
        self._stopped = True
        self._icon.stop()


def _no_fallback() -> bool:
    return False
