"""Common base of pystray's two GTK back ends. The import raises if PyGObject or GTK 3 is missing."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress
from importlib import import_module

from tray.surfaces.backends.pystray_toolkit import ToolkitIcon

REBUILD_INTERVAL = 0.5  # s; 100 new menus a second crash Xfce's tray

_GLib = import_module("gi.repository.GLib")


class GtkIcon(ToolkitIcon):
    """An icon that runs in GLib's main loop."""

    _rebuilt_at = -REBUILD_INTERVAL

    def wake(self) -> None:
        """Make the main loop call `run_posted` when it is idle."""
        _GLib.idle_add(self.run_posted)

    def retry_in(self, seconds: float) -> None:
        """Make the main loop call `retry` after this time."""
        _GLib.timeout_add(int(seconds * 1000), self.retry)

    def _initialize(self) -> None:
        """Initialize pystray, and restore the signal handlers that it replaces."""
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        super()._initialize()
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _update_menu(self) -> None:
        wait = self._rebuilt_at + REBUILD_INTERVAL - time.monotonic()
        if wait <= 0:
            self._rebuilt_at = time.monotonic()
            super()._update_menu()
        elif not self._menu_due:
            self._menu_due = True
            _GLib.timeout_add(int(wait * 1000), self._rebuild)

    def _rebuild(self) -> bool:
        self._rebuilt_at = time.monotonic()
        self.replace_menu()
        return False  # no repetition of the GLib timeout

    def _finalize(self) -> None:
        with suppress(_GLib.Error):  # pystray closes a notification that it never showed, and fails without a daemon
            super()._finalize()
