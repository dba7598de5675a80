"""Refuses the second of two quick clicks: another item may have moved under the pointer."""

from __future__ import annotations

from tray.core.answers import RequestKey
from tray.core.commands import Surface

# ms after an answer in which the same surface answers no other request. Desktops take clicks up to 500 ms apart for a
# double click, and notification daemons need about as long to close the gap that an answered notification left.
SETTLE = 1_000

REFUSED = "Nothing was sent: another request was answered here less than a second ago. Look again, then answer"
MOVED = "Nothing was sent: the menu had changed less than a second ago. Look again, then answer"


class ClickGuard:
    """Stores the last answer from each surface that is used with a pointer."""

    def __init__(self) -> None:
        self._answered: dict[tuple[Surface, str], tuple[RequestKey, int]] = {}
        self._went: dict[Surface, int] = {}

    def may_answer(self, surface: Surface, request: RequestKey, at: int, device: str = "") -> bool:
        """Return whether to take this answer. A refused click restarts the pause.

        Each device of the page has a pointer of its own. On the command line and in a channel nothing moves, and
        another tray has a guard of its own.
        """
        if surface in (Surface.COMMAND, Surface.CHANNEL, Surface.TEAM):
            return True
        self._answered = {by: given for by, given in self._answered.items() if 0 <= at - given[1] < SETTLE}
        last, _ = self._answered.get((surface, device), (request, at))
        self._answered[surface, device] = last, at
        return last == request

    def may_go(self, surface: Surface, at: int) -> bool:
        """Return whether to follow *Go to next*; False for the second click of a double click on the icon."""
        before, self._went[surface] = self._went.get(surface, 0), at
        return surface is Surface.COMMAND or not 0 <= at - before < SETTLE
