"""Common base of the pystray back ends: builds the menu, and calls the toolkit only on its own thread."""

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
from tray.surfaces.toasts import Balloon
from tray.system.backoff import Backoff

log = logging.getLogger(__name__)

ICON_SIZE = 64  # px, for toolkits that scale the icon themselves
FIRST_RETRY, MAX_RETRY = 1.0, 30.0  # s between attempts after an error, doubled each time

_base = pystray_module("_base")
_Base: Any = _base.Icon


class ToolkitIcon(_Base):  # type: ignore[misc]  # pystray ships no types
    """A pystray icon that shows a TrayView. Back ends add `wake`, `retry_in` and workarounds for their toolkit."""

    visible: bool
    reopens = False  # whether to open a new icon after the tray has destroyed this one

    def __init__(self, app_id: str, view: TrayView, on_command: Callable[[Command], None]) -> None:
        self.ended = False
        self._view = view
        self._on_command = on_command
        self._posted: deque[Callable[[], object]] = deque()
        self._is_ready = False
        self._backoff = Backoff(FIRST_RETRY, MAX_RETRY)
        self._retry_due = False
        self._menu_due = False  # the toolkit's loop will call `replace_menu`
        # What the toolkit has accepted; None: nothing yet. It accepts the first menu when it starts.
        self._shown_icon: IconView | None = None
        self._shown_tooltip: str | None = None
        self._shown_menu: tuple[Entry, ...] | None = view.menu
        self._balloon: Balloon | None = None
        self._shown_balloon: Balloon | None = None
        super().__init__(app_id, draw(view.icon, ICON_SIZE), "", self._menu_of(view.menu))

    # ------------------------------------------------------------------ from any thread

    def post(self, callback: Callable[[], object]) -> None:
        """Call this on the toolkit's thread, soon."""
        self._posted.append(callback)
        self.wake()

    def wake(self) -> None:
        """Make the toolkit's thread call `run_posted`; without effect until that thread has started."""
        raise NotImplementedError

    def retry_in(self, seconds: float) -> None:
        """Make the toolkit's timer call `retry`. Called on the toolkit's thread."""
        raise NotImplementedError

    # ------------------------------------------------------------------ on the toolkit's thread

    def run_posted(self) -> None:
        """Call what was posted."""
        while self._posted:
            self._posted.popleft()()

    def update(self, view: TrayView, balloon: Balloon | None = None) -> None:
        """Show this view and, if the toolkit has balloons, this balloon or none.

        What the toolkit does not accept now is tried again later.
        """
        self._view, self._balloon = view, balloon
        self._show_changes()

    def show_again(self) -> None:
        """Show everything again, after the tray was restarted or has changed."""
        self._visible = False
        self._shown_icon = self._shown_tooltip = self._shown_menu = None
        self._show_changes()

    def retry(self) -> None:
        """Show again what the toolkit did not accept."""
        self._retry_due = False
        if not self.ended:
            self._show_changes()

    def replace_menu(self) -> None:
        """Replace the menu, if the back end could not do so at once. What fails is tried again later."""
        self._menu_due = False
        try:
            super()._update_menu()
        except Exception as error:  # noqa: BLE001  # toolkits raise anything; logged there
            self._shown_menu = None
            self._try_again_later(error)
        else:
            self._reset_backoff()

    def end(self) -> None:
        """Leave the toolkit's main loop."""
        self.ended = True
        self._stop()

    def label_text(self, label: str) -> str:
        """Return the label as the toolkit's menu requires it."""
        return label

    def tooltip_text(self, tooltip: str) -> str:
        """Return the tooltip as the toolkit requires it."""
        return tooltip

    def send_balloon(self, balloon: Balloon | None) -> None:
        """Make the toolkit show this balloon, or remove the one that is shown."""
        raise NotImplementedError

    def __del__(self) -> None:
        """Do nothing: pystray would call the toolkit, which may be closed, from the garbage collector's thread."""

    def __call__(self) -> None:
        """Handle a left click; pystray calls this."""
        self._on_command(default_command(self._view.menu) or ShowSummary())

    # ------------------------------------------------------------------ what is shown

    def _show_changes(self) -> None:
        """Show what the toolkit has not accepted yet. A failing part is tried again, and does not stop the others."""
        if not self._is_ready:
            return
        failure: Exception | None = None
        for part in (self._show_tray_icon, self._show_icon, self._show_tooltip, self._show_menu, self._show_balloon):
            try:
                part()
            except Exception as error:  # noqa: BLE001  # toolkits raise anything; logged below
                failure = error
        if failure is None:
            self._reset_backoff()
        else:
            self._try_again_later(failure)

    def _reset_backoff(self) -> None:
        if not self._retry_due and not self._menu_due:
            self._backoff.reset()

    def _try_again_later(self, failure: Exception) -> None:
        if self._retry_due:
            return
        self._retry_due = True
        delay = self._backoff.next_delay()
        level = logging.WARNING if delay == FIRST_RETRY else logging.DEBUG
        log.log(level, "the tray did not accept the icon: %s; next attempt in %g s", failure, delay)
        self.retry_in(delay)

    def _show_tray_icon(self) -> None:
        if self.visible:
            return
        icon = self._view.icon
        self._icon, self._icon_valid = draw(icon, ICON_SIZE), False
        self.visible = True
        self._shown_icon = icon

    def _show_icon(self) -> None:
        icon = self._view.icon
        if self.visible and icon != self._shown_icon:
            self.icon = draw(icon, ICON_SIZE)
            self._shown_icon = icon

    def _show_tooltip(self) -> None:
        tooltip = self._view.tooltip
        if self.visible and tooltip != self._shown_tooltip:
            self._title = self.tooltip_text(tooltip)  # pystray's setter ignores a text that it has tried before
            self._update_title()
            self._shown_tooltip = tooltip

    def _show_menu(self) -> None:
        menu = self._view.menu
        if menu != self._shown_menu:
            self.menu = self._menu_of(menu)
            self._shown_menu = menu

    def _show_balloon(self) -> None:
        if self.visible and self._balloon is not self._shown_balloon:
            self.send_balloon(self._balloon)
            self._shown_balloon = self._balloon

    # ------------------------------------------------------------------ pystray's hooks

    def _start_setup(self, setup: object) -> None:
        # pystray's setup thread would call the toolkit from another thread, and never end if the toolkit did not start.
        pass

    def _mark_ready(self) -> None:
        super()._mark_ready()
        self._is_ready = True
        self._show_changes()
        self.run_posted()

    def _handler(self, callback: Callable[[Any], object]) -> Callable[..., None]:
        # pystray's own handler rebuilds the whole menu after each click.
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
            self._menu_of(entry.children) if entry.children else self._callback(entry.command),
            checked=None if entry.checked is None else (lambda _, checked=entry.checked: checked),
            default=entry.default,
            enabled=entry.enabled,
        )

    def _callback(self, command: Command | None) -> Callable[[], None] | None:
        if command is None:
            return None

        def run_command() -> None:  # pystray inspects the number of parameters
            self._on_command(command)

        return run_command
