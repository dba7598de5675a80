"""A private Wayland desktop without a screen.

Wayland tells no program which windows and menus are open, so a menu is where the screen has changed.
"""

from __future__ import annotations

import time

from desk import ARTIFACTS, GTK_MENU_SHELL_TIMEOUT, Desk, Window
from PIL import Image, ImageChops

from waiting import until

POINTER = 50  # more than its width in pixels
Box = tuple[int, int, int, int]


class WaylandDesk(Desk):
    """The desktop. Subclasses start it, take pictures of its screen, and move and press its mouse."""

    above_panel: Box  # the part of the screen for windows

    def press_button(self, button: int) -> None:
        """Press and release a button of the mouse."""
        raise NotImplementedError

    def screenshot(self, name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        self.grab().save(ARTIFACTS / f"{name}.png")

    def is_open(self, window: Window) -> bool:
        """Return whether more than the pointer differs in this place from the picture before the menu was opened."""
        box = ImageChops.difference(self._before.crop(window.box), self.grab(window.box)).getbbox()
        return box is not None and box[2] - box[0] > POINTER

    def click(self, x: int, y: int, button: int = 1, *options: str) -> None:
        assert not options
        self.point(x, y)
        time.sleep(max(0.15, self._menu_opened + GTK_MENU_SHELL_TIMEOUT + 0.1 - time.monotonic()))
        self.press_button(button)

    def open_menu(self, x: int, y: int, button: int = 3) -> Window:
        self._before = self.grab()
        return self.changed(x, y, button, self.above_panel)

    def changed(self, x: int, y: int, button: int, area: Box) -> Window:
        """Click, and return the part of the area that has changed, once it stays the same."""
        self.point(x, y)
        before = self.grab()
        self.click(x, y, button)
        self._menu_opened = time.monotonic()
        seen: list[Image.Image] = [before]

        def steady() -> Window | None:
            seen.append(self.grab())
            box = ImageChops.difference(before.crop(area), seen[-1].crop(area)).getbbox()
            if box is None or ImageChops.difference(*seen[-2:]).getbbox() is not None:
                return None
            found = Window("", area[0] + box[0], area[1] + box[1], box[2] - box[0], box[3] - box[1])
            return found if len(self.rows(found)) > 1 else None

        return until(steady, "a menu")
