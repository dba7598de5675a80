"""The icon in the menu bar of macOS."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import import_module
from typing import Any

from tray.core.commands import Command, Quit
from tray.surfaces.backends.pystray_module import pystray_module
from tray.surfaces.backends.pystray_toolkit import ToolkitIcon
from tray.surfaces.icon import draw
from tray.surfaces.menu.view import TrayView

POINTS = 18  # Apple's Human Interface Guidelines for menu bar extras
SCALES = (1, 2)  # pixels per point: the usual and the Retina screens
# s. A call with a delay runs only in the run loop's default mode, so never while a menu is open. One without a delay
# runs in the common modes, too, which include that of an open menu (pyobjc 13.0, AppHelper.py).
WHEN_CLOSED = 0.001

_Base: Any = pystray_module("_darwin").Icon
_SEPARATOR = pystray_module("_base").Menu.SEPARATOR
_AppKit = import_module("AppKit")
_Foundation = import_module("Foundation")
_NSObject: Any = _Foundation.NSObject
_AppHelper = import_module("PyObjCTools.AppHelper")


class OpenCodeTrayRows(_NSObject):  # type: ignore[misc]  # pyobjc ships no types; class names are global in Objective-C
    """The target of the menu's rows: AppKit calls it when a row is clicked."""

    def chosen_(self, row: Any) -> None:
        """Run the command of a row, which is its represented object."""
        row.representedObject()()


class OpenCodeTrayDelegate(_NSObject):  # type: ignore[misc]
    """The application's delegate: AppKit asks it before it ends the program, at logout, restart and shutdown."""

    icon: Icon

    def applicationShouldTerminate_(self, _: Any) -> int:  # noqa: N802  # AppKit's name
        """Return whether AppKit may end the program now; if later, the icon tells it when."""
        return self.icon.prepare_to_terminate()


class Icon(ToolkitIcon, _Base):  # type: ignore[misc]  # pystray ships no types
    """pystray's icon, but sharp, recoloured by the menu bar if monochrome, and without an entry in the Dock."""

    def __init__(self, app_id: str, view: TrayView, on_command: Callable[[Command], None]) -> None:
        super().__init__(app_id, view, on_command)
        self._rows = OpenCodeTrayRows.alloc().init()  # rows hold no reference to their target
        self._status_item.setAutosaveName_(app_id)  # the name under which macOS stores its position
        self._menu_handle: tuple[Any, list[Any]] | None = None  # pystray sets it with the first menu
        self._is_terminating = False
        self._app_delegate = OpenCodeTrayDelegate.alloc().init()  # the application holds no reference to it
        self._app_delegate.icon = self
        self._app.setDelegate_(self._app_delegate)

    def wake(self) -> None:
        """Make AppKit's main loop call `run_posted`; calling AppKit from another thread may crash."""
        _AppHelper.callAfter(self.run_posted)

    def retry_in(self, seconds: float) -> None:
        """Make AppKit's main loop call `retry` after this time."""
        _AppHelper.callLater(seconds, self.retry)

    def prepare_to_terminate(self) -> int:
        """Start the ordinary stop, which saves the state. Return an NSApplicationTerminateReply.

        AppKit ends the process right after a reply that allows it, so `end` sends that reply.
        """
        if self.ended:
            return int(_AppKit.NSTerminateNow)
        if not self._is_terminating:
            self._is_terminating = True
            self._on_command(Quit())
        return int(_AppKit.NSTerminateLater)

    def end(self) -> None:
        """Leave the main loop, or let AppKit end the process if it waits for that. An open menu would prevent both."""
        if self._menu_handle is not None:
            self._menu_handle[0].cancelTracking()
        if self._is_terminating:
            self.ended = True
            self._app.replyToApplicationShouldTerminate_(True)  # noqa: FBT003  # AppKit has no names
        else:
            super().end()

    def _run(self) -> None:
        self._app.setActivationPolicy_(_AppKit.NSApplicationActivationPolicyAccessory)
        activity = _hold_activity()
        self._mark_ready()
        try:
            self._app.run()
        finally:
            self._status_bar.removeStatusItem_(self._status_item)
            _Foundation.NSProcessInfo.processInfo().endActivity_(activity)

    def _update_icon(self) -> None:
        self._assert_image()
        self._icon_valid = True

    def _update_menu(self) -> None:
        """Replace the menu as soon as no menu is open."""
        if not self._menu_due:
            self._menu_due = True
            _AppHelper.callLater(WHEN_CLOSED, self.replace_menu)

    def _create_menu_item(self, descriptor: Any, callbacks: list[Any]) -> Any:
        row = super()._create_menu_item(descriptor, callbacks)
        if descriptor is not _SEPARATOR and not descriptor.submenu:
            # pystray looks the callback up by the row's index in the newest menu, which may not be the clicked one.
            row.setRepresentedObject_(self._handler(descriptor))
            row.setTarget_(self._rows)
            row.setAction_("chosen:")
        return row

    def _assert_image(self) -> None:
        image: Any = _AppKit.NSImage.alloc().initWithSize_((POINTS, POINTS))
        for scale in SCALES:
            image.addRepresentation_(self._representation(POINTS * scale))
        image.setTemplate_(self._view.icon.monochrome)
        self._icon_image = image
        self._status_item.button().setImage_(image)

    def _representation(self, pixels: int) -> Any:
        """Return the icon of this width in pixels, from which AppKit selects by the screen."""
        png = io.BytesIO()
        draw(self._view.icon, pixels).save(png, "png")
        representation: Any = _AppKit.NSBitmapImageRep.imageRepWithData_(_Foundation.NSData(png.getvalue()))
        representation.setSize_((POINTS, POINTS))
        return representation


def _hold_activity() -> Any:
    """Keep macOS from slowing down our timers and network (App Nap), but not from sleeping; return the activity."""
    options = _Foundation.NSActivityUserInitiatedAllowingIdleSystemSleep
    return _Foundation.NSProcessInfo.processInfo().beginActivityWithOptions_reason_(options, "Watches sessions")
