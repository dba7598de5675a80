"""When a click on a toast's button was meant for that toast: not just after toasts came, went or moved.

Daemons close the gap that a toast leaves, put a new one above or below the others, or show the next of a queue in its
place. The second click of a hasty double click then lies on another toast's button (seen on Plasma, MATE and with
notification-daemon).
"""

from __future__ import annotations

from collections.abc import Callable

from tray.core.click_guard import SETTLE

NEW = 0.7  # s after a toast appeared in which no answer is taken: to see it and hold a click back takes half of that
MOVED = SETTLE / 1000  # s after one went; longer, as the others slide and the finger may be on its second click


class ToastGuard:
    """Knows when toasts appeared and went. `clock` counts seconds and never goes back.

    Only what is known to move is reckoned with: toasts of other programs that appear are not told of.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._appeared_until = self._moved_until = float("-inf")

    def appeared(self) -> None:
        """A toast is shown from now on; it may have pushed the others aside."""
        self._appeared_until = self._clock() + NEW

    def went(self) -> None:
        """A toast was answered, withdrawn, closed, or has expired; the others may move into its place."""
        self._moved_until = self._clock() + MOVED

    def refusal(self) -> str | None:
        """Why an answer that comes now is not taken, as a line for the toast; None: it is taken."""
        now = self._clock()
        if now < self._appeared_until:
            return "Shown just now: nothing was sent. Click again."
        if now < self._moved_until:
            return "It moved just now: nothing was sent. Click again."
        return None
