"""The icon in macOS's menu bar."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import import_module
from typing import Any

from tray.core.commands import Command
from tray.surfaces.backends.pystray_module import pystray_module
from tray.surfaces.backends.pystray_toolkit import ToolkitIcon
from tray.surfaces.icon import draw
from tray.surfaces.menu.view import TrayView

POINTS = 18  # Apple's Human Interface Guidelines for menu bar extras
RETINA = 3  # pixels per point, for every screen there is
# s. Any delay has AppHelper wait for the run loop's default mode, in which it never is while a menu is open; what has
# none runs in the common modes, an open menu's among them (pyobjc 13.0, AppHelper.py).
WHEN_CLOSED = 0.001

_Base: Any = pystray_module("_darwin").Icon
_SEPARATOR = pystray_module("_base").Menu.SEPARATOR
_AppKit = import_module("AppKit")
_Foundation = import_module("Foundation")
_NSObject: Any = _Foundation.NSObject
_AppHelper = import_module("PyObjCTools.AppHelper")


class OpenCodeTrayRows(_NSObject):  # type: ignore[misc]  # pyobjc ships no types; Objective-C has one name space
    """What a menu's rows tell that they were clicked."""

    def chosen_(self, row: Any) -> None:
        """The action of a row, which carries what it chooses."""
        row.representedObject()()


class Icon(ToolkitIcon, _Base):  # type: ignore[misc]  # pystray ships no types
    """pystray's icon: sharp, recoloured by the menu bar if monochrome, with no place in the Dock."""

    def __init__(self, app_id: str, view: TrayView, choose: Callable[[Command], None]) -> None:
        super().__init__(app_id, view, choose)
        self._rows = OpenCodeTrayRows.alloc().init()  # rows do not keep their target alive
        self._menu_due = False

    def wake(self) -> None:
        """Have AppKit's main loop call `drain`: whatever touches AppKit from another thread may trap."""
        _AppHelper.callAfter(self.drain)

    def retry_in(self, seconds: float) -> None:
        """Have `retry` called."""
        _AppHelper.callLater(seconds, self.retry)

    def _run(self) -> None:
        self._app.setActivationPolicy_(_AppKit.NSApplicationActivationPolicyAccessory)
        self._mark_ready()
        try:
            self._app.run()
        finally:
            self._status_bar.removeStatusItem_(self._status_item)

    def _update_icon(self) -> None:
        self._assert_image()
        self._icon_valid = True

    def _update_menu(self) -> None:
        """Wait until no menu is open."""
        if not self._menu_due:
            self._menu_due = True
            _AppHelper.callLater(WHEN_CLOSED, self._replace_menu)

    def _replace_menu(self) -> None:
        self._menu_due = False
        super()._update_menu()

    def _create_menu_item(self, descriptor: Any, callbacks: list[Any]) -> Any:
        row = super()._create_menu_item(descriptor, callbacks)
        if descriptor is not _SEPARATOR and not descriptor.submenu:
            # pystray finds what a row chooses by its place in the newest menu, which is not always the one clicked.
            row.setRepresentedObject_(self._handler(descriptor))
            row.setTarget_(self._rows)
            row.setAction_("chosen:")
        return row

    def _assert_image(self) -> None:
        png = io.BytesIO()
        draw(self._view.icon, POINTS * RETINA).save(png, "png")
        image: Any = _AppKit.NSImage.alloc().initWithData_(_Foundation.NSData(png.getvalue()))
        image.setSize_((POINTS, POINTS))
        image.setTemplate_(self._view.icon.monochrome)
        self._icon_image = image
        self._status_item.button().setImage_(image)
