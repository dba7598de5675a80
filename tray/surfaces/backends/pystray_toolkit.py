"""What pystray's back ends get in common: a menu from our value, and every touch on the toolkit's own thread."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable
from typing import Any

from tray.core.choices import Choice, ShowSummary
from tray.surfaces.backends.pystray_module import pystray_module
from tray.surfaces.icon import draw
from tray.surfaces.menu import Entry, Item, default_choice
from tray.surfaces.rows import MARKS
from tray.surfaces.view import TrayView

PICTURE_SIZE = 64  # px: for toolkits that scale the picture themselves

_base = pystray_module("_base")
_Base: Any = _base.Icon


class ToolkitIcon(_Base):  # type: ignore[misc]  # pystray ships no types
    """A pystray icon that shows a TrayView. A back end adds `wake`, and puts its own traps right."""

    comes_back = False  # whether an icon that its tray destroyed is to be built anew

    def __init__(self, app_id: str, view: TrayView, choose: Callable[[Choice], None]) -> None:
        self.ended = False
        self._view = view
        self._choose = choose
        self._steps: deque[Callable[[], object]] = deque()
        super().__init__(app_id, draw(view.icon, PICTURE_SIZE), "", self._menu_of(view.menu))

    # ------------------------------------------------------------------ from any thread

    def post(self, step: Callable[[], object]) -> None:
        """Have this done on the toolkit's thread, soon."""
        self._steps.append(step)
        self.wake()

    def wake(self) -> None:
        """Have `drain` called on the toolkit's thread; nothing, while that has not started."""
        raise NotImplementedError

    # ------------------------------------------------------------------ on the toolkit's thread

    def drain(self) -> None:
        """Do what was posted."""
        while self._steps:
            self._steps.popleft()()

    def update(self, view: TrayView) -> None:
        """Show this from now on."""
        before, self._view = self._view, view
        if view.icon != before.icon:
            self.icon = draw(view.icon, PICTURE_SIZE)
        if view.tooltip != before.tooltip:
            self.title = self.tooltip_text(view.tooltip)
        if view.menu != before.menu:
            self.menu = self._menu_of(view.menu)

    def end(self) -> None:
        """Leave the toolkit's main loop."""
        self.ended = True
        self._stop()

    def interrupted(self, number: int) -> None:
        """A signal came that the toolkit would keep from Python: do what Python would have done."""
        wanted = signal.getsignal(number)
        if callable(wanted) and wanted is not signal.default_int_handler:
            wanted(number, None)
        else:
            self.end()

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
        self._choose(default_choice(self._view.menu) or ShowSummary())

    # ------------------------------------------------------------------ pystray's hooks

    def _start_setup(self, setup: object) -> None:
        # pystray's setup thread would touch the toolkit from outside, and wait for ever if the toolkit did not start.
        pass

    def _mark_ready(self) -> None:
        super()._mark_ready()
        self.visible = True
        self.title = self.tooltip_text(self._view.tooltip)
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
            self._menu_of(entry.children) if entry.children else self._chooser(entry.choice),
            checked=None if entry.checked is None else (lambda _, checked=entry.checked: checked),
            default=entry.default,
            enabled=entry.enabled,
        )

    def _chooser(self, choice: Choice | None) -> Callable[[], None] | None:
        if choice is None:
            return None

        def chosen() -> None:
            self._choose(choice)

        return chosen
