"""Which row of a D-Bus menu a click was meant for, after the menu was closed or its rows have moved."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tray.core.click_guard import SETTLE
from tray.core.commands import ANSWERS, Command, ExplainIgnoredClick
from tray.surfaces.backends.dbus_menu_tree import Node, Nodes

CLICK_AFTER_CLOSED = 0.5  # s after "closed" in which a click still belongs to the open menu
SETTLE_TIME = SETTLE / 1000  # s after rows moved in which no answer is accepted


class _ClosedMenu(msgspec.Struct, frozen=True):
    """The menu as it was when a panel closed it, or one of its submenus."""

    nodes: Nodes
    at: float  # s, clock time
    just_moved: bool  # its rows had just moved


class MenuClicks:
    """Records when the menu was closed and when rows moved. `clock` returns seconds and is monotonic."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._moved_at = float("-inf")  # when rows last moved in a menu that may be open
        self._closed: _ClosedMenu | None = None

    def rows_moved(self) -> None:
        """Record that rows moved while the menu is not known to be open: a panel may show it without saying so."""
        self._moved_at = self._clock()

    def opened(self) -> None:
        """Record that the menu is open: its rows do not move from now on."""
        self._moved_at = float("-inf")

    def closed(self, nodes: Nodes) -> None:
        """Record that a panel closed the menu or a submenu."""
        if self._just_closed() is None:
            self._closed = _ClosedMenu(nodes, self._clock(), self._just_moved())

    def find(self, row_id: int, nodes: Nodes) -> Node | None:
        """Return the clicked row, from the current menu or from the one that was just closed."""
        closed = self._just_closed()
        return nodes.get(row_id) or (closed.nodes.get(row_id) if closed else None)

    def command(self, node: Node) -> Command | None:
        """Return the command of a clicked row.

        For an answer whose row has just moved under the pointer, it is the command that explains why it is ignored.
        """
        closed = self._just_closed()
        just_moved = closed.just_moved if closed else self._just_moved()
        return ExplainIgnoredClick() if just_moved and isinstance(node.command, ANSWERS) else node.command

    def _just_closed(self) -> _ClosedMenu | None:
        return self._closed if self._closed and self._clock() - self._closed.at < CLICK_AFTER_CLOSED else None

    def _just_moved(self) -> bool:
        return self._clock() - self._moved_at < SETTLE_TIME
