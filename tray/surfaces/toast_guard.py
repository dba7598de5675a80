"""Ignores answers that are clicked just after notifications appeared, closed or moved.

Notification daemons close the gap that a notification leaves, show a new one above or below the others, or show the
next of a queue in its place. The second click of a double click then hits another notification's button (seen on
Plasma, on MATE and with notification-daemon).
"""

from __future__ import annotations

from collections.abc import Callable

from tray.core.click_guard import SETTLE

APPEARED_PAUSE = 0.7  # s after a notification appeared; users need about half of that to notice it and stop a click
MOVED_PAUSE = SETTLE / 1000  # s after one closed; longer, as others slide while the user may be double-clicking


class ToastGuard:
    """Records when notifications of this program appear and close. Those of other programs are not reported to it.

    `clock` returns seconds and is monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._appeared_until = self._moved_until = float("-inf")

    def appeared(self) -> None:
        """Record that a notification is shown now; it may have moved the others."""
        self._appeared_until = self._clock() + APPEARED_PAUSE

    def closed(self) -> None:
        """Record that a notification was answered, withdrawn or closed, or has expired; the others may move."""
        self._moved_until = self._clock() + MOVED_PAUSE

    def refusal(self) -> str | None:
        """Return why an answer that is clicked now is ignored, as a line for the notification; None if it is not."""
        now = self._clock()
        if now < self._appeared_until:
            return "Not sent: shown just now. Click again."
        if now < self._moved_until:
            return "Not sent: moved just now. Click again."
        return None
