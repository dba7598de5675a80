"""Find out whether this desktop shows tray icons, and how."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import msgspec

NO_TRAY_ADVICE = (
    "on GNOME install the AppIndicator extension, elsewhere add a status tray to the panel; or use: opencode-tray watch"
)
WATCHER, WATCHER_PATH = "org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher"
PROPERTIES = "org.freedesktop.DBus.Properties"


class TrayHost(msgspec.Struct, frozen=True):
    """The ways to show a tray icon that this desktop offers."""

    platform: bool = False  # Windows always has a tray, macOS in a session with a screen
    bus: bool = False  # a D-Bus session bus
    watcher: bool = False  # a StatusNotifierWatcher on the bus, where icons register for panels
    panel: bool = False  # a panel that shows the registered icons
    xembed: bool = False  # an XEmbed tray (X11)

    @property
    def shows(self) -> bool:
        """Whether an icon is visible now."""
        return self.platform or self.panel or self.xembed


async def find() -> TrayHost:
    """Return the tray host of this desktop."""
    if sys.platform != "linux":
        return TrayHost(platform=sys.platform != "darwin" or has_window_server())
    bus, watcher, panel = await _on_bus()
    return TrayHost(bus=bus, watcher=watcher, panel=panel, xembed=bool(os.environ.get("DISPLAY")) and has_xembed())


def has_window_server() -> bool:
    """Whether this process of macOS may show windows, unlike one that was started over SSH. True if it is unknown."""
    try:
        quartz = import_module("Quartz")  # pystray requires it
    except ImportError:
        return True
    return quartz.CGSessionCopyCurrentDictionary() is not None


def has_xembed() -> bool:
    """Whether the X display has an XEmbed tray."""
    xlib, errors = import_module("Xlib.display"), import_module("Xlib.error")
    try:
        display = xlib.Display()
    except (errors.DisplayError, OSError):
        return False
    try:
        owner = display.get_selection_owner(display.intern_atom(f"_NET_SYSTEM_TRAY_S{display.get_default_screen()}"))
        return bool(owner)
    finally:
        display.close()


async def host_registered(bus: Any) -> bool:
    """Whether a panel shows StatusNotifierItems. Raises BusError if there is no watcher."""
    from dbus_fast import Message  # noqa: PLC0415  # Linux only

    from tray.system.session_bus import call  # noqa: PLC0415  # Linux only

    body = [WATCHER, "IsStatusNotifierHostRegistered"]
    reply = await call(bus, Message(WATCHER, WATCHER_PATH, PROPERTIES, "Get", signature="ss", body=body))
    return bool(reply[0].value)


async def _on_bus() -> tuple[bool, bool, bool]:
    """Return whether there is a bus, a watcher and a panel."""
    from tray.system.notification_daemon import disconnect  # noqa: PLC0415  # Linux only
    from tray.system.session_bus import BusError, connect  # noqa: PLC0415  # Linux only

    try:
        bus = await connect()
    except BusError:
        return False, False, False
    try:
        return True, True, await host_registered(bus)
    except BusError:
        return True, False, False
    finally:
        await disconnect(bus)
