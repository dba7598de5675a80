"""What pystray's two GTK back ends need alike. Needs PyGObject and GTK 3; the import raises where they are missing."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress
from importlib import import_module

from tray.surfaces.backends.pystray_toolkit import ToolkitIcon

REBUILD_EVERY = 0.5  # s; a hundred new menus a second crash Xfce's tray

_GLib = import_module("gi.repository.GLib")


class GtkLoop(ToolkitIcon):
    """An icon that lives in GLib's main loop."""

    _rebuilt_at = -REBUILD_EVERY
    _rebuild_due = False

    def wake(self) -> None:
        """Have the main loop call `drain` when it is idle."""
        _GLib.idle_add(self.drain)

    def retry_in(self, seconds: float) -> None:
        """Have `retry` called."""
        _GLib.timeout_add(int(seconds * 1000), self.retry)

    def _initialize(self) -> None:
        """Start, and restore the signal handlers that pystray replaced."""
        wanted = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        super()._initialize()
        if threading.current_thread() is threading.main_thread():
            for number, handler in wanted.items():
                signal.signal(number, handler)

    def _update_menu(self) -> None:
        wait = self._rebuilt_at + REBUILD_EVERY - time.monotonic()
        if wait <= 0:
            self._rebuild()
        elif not self._rebuild_due:
            self._rebuild_due = True
            _GLib.timeout_add(int(wait * 1000), self._rebuild)

    def _rebuild(self) -> bool:
        self._rebuild_due = False
        self._rebuilt_at = time.monotonic()
        super()._update_menu()
        return False  # once

    def _finalize(self) -> None:
        with suppress(_GLib.Error):  # pystray closes a notification that it never showed, daemon or not
            super()._finalize()
