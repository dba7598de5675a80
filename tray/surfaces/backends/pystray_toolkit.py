"""What pystray's back ends get in common: a menu from our value, and every touch on the toolkit's own thread."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from tray.core.commands import Command, ShowSummary
from tray.surfaces.backends.pystray_module import pystray_module
from tray.surfaces.icon import draw
from tray.surfaces.menu.items import Entry, Item, default_command
from tray.surfaces.menu.view import IconView, TrayView
from tray.surfaces.session_text import MARKS

log = logging.getLogger(__name__)

PICTURE_SIZE = 64  # px: for toolkits that scale the picture themselves
FIRST_RETRY, LAST_RETRY = 1.0, 30.0  # s until the toolkit is asked again; twice as long each time

_base = pystray_module("_base")
_Base: Any = _base.Icon


class ToolkitIcon(_Base):  # type: ignore[misc]  # pystray ships no types
    """A pystray icon that shows a TrayView. A back end adds `wake`, and puts its own traps right."""

    visible: bool
    comes_back = False  # whether an icon that its tray destroyed is to be built anew

    def __init__(self, app_id: str, view: TrayView, choose: Callable[[Command], None]) -> None:
        self.ended = False
        self._view = view
        self._choose = choose
        self._steps: deque[Callable[[], object]] = deque()
        self._is_ready = False
        self._retry_after = FIRST_RETRY
        self._retry_due = False
        # What the toolkit has taken; None: nothing yet. The first menu it takes as it starts.
        self._shown_icon: IconView | None = None
        self._shown_tooltip: str | None = None
        self._shown_menu: tuple[Entry, ...] | None = view.menu
        super().__init__(app_id, draw(view.icon, PICTURE_SIZE), "", self._menu_of(view.menu))

    # ------------------------------------------------------------------ from any thread

    def post(self, step: Callable[[], object]) -> None:
        """Have this done on the toolkit's thread, soon."""
        self._steps.append(step)
        self.wake()

    def wake(self) -> None:
        """Have `drain` called on the toolkit's thread; nothing, while that has not started."""
        raise NotImplementedError

    def retry_in(self, seconds: float) -> None:
        """Have `retry` called by the toolkit's own timer; on its thread, as this is."""
        raise NotImplementedError

    # ------------------------------------------------------------------ on the toolkit's thread

    def drain(self) -> None:
        """Do what was posted."""
        while self._steps:
            self._steps.popleft()()

    def update(self, view: TrayView) -> None:
        """Show this from now on; what the toolkit refuses now is shown later."""
        self._view = view
        self._catch_up()

    def show_anew(self) -> None:
        """Show everything again: the tray has forgotten what it was told."""
        self._visible = False
        self._shown_icon = self._shown_tooltip = self._shown_menu = None
        self._catch_up()

    def retry(self) -> None:
        """Tell the toolkit again what it did not take."""
        self._retry_due = False
        if not self.ended:
            self._catch_up()

    def end(self) -> None:
        """Leave the toolkit's main loop."""
        self.ended = True
        self._stop()

    def label_text(self, label: str) -> str:
        """The label as the toolkit's menu wants it."""
        return label

    def tooltip_text(self, tooltip: str) -> str:
        """The tooltip as the toolkit wants it."""
        return tooltip

    def __del__(self) -> None:
        """Nothing: pystray would touch a toolkit that may be closed, from whatever thread collects the icon."""

    def __call__(self) -> None:
        """A left click."""
        self._choose(default_command(self._view.menu) or ShowSummary())

    # ------------------------------------------------------------------ what is shown

    def _catch_up(self) -> None:
        """Tell the toolkit whatever it has not taken yet. A part that fails holds up no other, and is tried again."""
        if not self._is_ready:
            return
        refused: Exception | None = None
        for part in (self._show_itself, self._show_icon, self._show_tooltip, self._show_menu):
            try:
                part()
            except Exception as error:  # noqa: BLE001  # whatever a toolkit raises; it is logged below
                refused = error
        if refused is None:
            self._retry_after = FIRST_RETRY
        elif not self._retry_due:
            self._retry_due = True
            level = logging.WARNING if self._retry_after == FIRST_RETRY else logging.DEBUG
            log.log(level, "the tray did not take all of the icon: %s; again in %g s", refused, self._retry_after)
            self.retry_in(self._retry_after)
            self._retry_after = min(2 * self._retry_after, LAST_RETRY)

    def _show_itself(self) -> None:
        if self.visible:
            return
        icon = self._view.icon
        self._icon, self._icon_valid = draw(icon, PICTURE_SIZE), False
        self.visible = True
        self._shown_icon = icon

    def _show_icon(self) -> None:
        icon = self._view.icon
        if self.visible and icon != self._shown_icon:
            self.icon = draw(icon, PICTURE_SIZE)
            self._shown_icon = icon

    def _show_tooltip(self) -> None:
        tooltip = self._view.tooltip
        if self.visible and tooltip != self._shown_tooltip:
            self._title = self.tooltip_text(tooltip)  # pystray's setter does nothing for a text that it has tried
            self._update_title()
            self._shown_tooltip = tooltip

    def _show_menu(self) -> None:
        menu = self._view.menu
        if menu != self._shown_menu:
            self.menu = self._menu_of(menu)
            self._shown_menu = menu

    # ------------------------------------------------------------------ pystray's hooks

    def _start_setup(self, setup: object) -> None:
        # pystray's setup thread would touch the toolkit from outside, and wait for ever if the toolkit did not start.
        pass

    def _mark_ready(self) -> None:
        super()._mark_ready()
        self._is_ready = True
        self._catch_up()
        self.drain()

    def _handler(self, callback: Callable[[Any], object]) -> Callable[..., None]:
        # pystray's own builds the whole menu anew after each click.
        def clicked(*_: object) -> None:
            callback(self)

        return clicked

    def _menu_of(self, entries: tuple[Entry, ...]) -> Any:
        return _base.Menu(*(self._row(entry) for entry in entries))

    def _row(self, entry: Entry) -> Any:
        if not isinstance(entry, Item):
            return _base.Menu.SEPARATOR
        return _base.MenuItem(
            self.label_text(f"{MARKS[entry.mark]} {entry.label}" if entry.mark is not None else entry.label),
            self._menu_of(entry.children) if entry.children else self._chooser(entry.command),
            checked=None if entry.checked is None else (lambda _, checked=entry.checked: checked),
            default=entry.default,
            enabled=entry.enabled,
        )

    def _chooser(self, choice: Command | None) -> Callable[[], None] | None:
        if choice is None:
            return None

        def chosen() -> None:
            self._choose(choice)

        return chosen
