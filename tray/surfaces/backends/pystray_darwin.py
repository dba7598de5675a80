"""The icon in macOS's menu bar."""

from __future__ import annotations

import io
import signal
from importlib import import_module
from typing import Any

from tray.surfaces.backends.pystray_module import pystray_module
from tray.surfaces.backends.pystray_toolkit import ToolkitIcon
from tray.surfaces.icon import draw

POINTS = 18  # Apple's Human Interface Guidelines for menu bar extras
RETINA = 3  # pixels per point, for every screen there is

_Base: Any = pystray_module("_darwin").Icon
_AppKit = import_module("AppKit")
_Foundation = import_module("Foundation")
_AppHelper = import_module("PyObjCTools.AppHelper")
_MachSignals = import_module("PyObjCTools.MachSignals")


class Icon(ToolkitIcon, _Base):  # type: ignore[misc]  # pystray ships no types
    """pystray's icon: sharp, recoloured by the menu bar if monochrome, with no place in the Dock."""

    def wake(self) -> None:
        """Have AppKit's main loop call `drain`: whatever touches AppKit from another thread may trap."""
        _AppHelper.callAfter(self.drain)

    def _run(self) -> None:
        self._app.setActivationPolicy_(_AppKit.NSApplicationActivationPolicyAccessory)
        for number in (signal.SIGINT, signal.SIGTERM):  # Cocoa's loop never lets Python's own handlers run
            _MachSignals.signal(number, lambda *_, number=number: self.interrupted(number))
        self._mark_ready()
        try:
            self._app.run()
        finally:
            self._status_bar.removeStatusItem_(self._status_item)

    def _update_icon(self) -> None:
        self._assert_image()
        self._icon_valid = True

    def _update_menu(self) -> None:
        # `callLater` waits while a menu is open; pystray finds a clicked row by its place in the newest menu.
        _AppHelper.callLater(0, super()._update_menu)

    def _assert_image(self) -> None:
        png = io.BytesIO()
        draw(self._view.icon, POINTS * RETINA).save(png, "png")
        image: Any = _AppKit.NSImage.alloc().initWithData_(_Foundation.NSData(png.getvalue()))
        image.setSize_((POINTS, POINTS))
        image.setTemplate_(self._view.icon.monochrome)
        self._icon_image = image
        self._status_item.button().setImage_(image)
