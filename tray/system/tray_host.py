"""Whether something shows tray icons here."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import msgspec

WATCHER, WATCHER_PATH = "org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher"
PROPERTIES = "org.freedesktop.DBus.Properties"


class TrayHost(msgspec.Struct, frozen=True):
    """What could show an icon."""

    platform: bool = False  # macOS and Windows have a tray of their own
    bus: bool = False  # a D-Bus session bus
    watcher: bool = False  # somebody on it who keeps the StatusNotifierItems for panels
    panel: bool = False  # a panel that shows them
    xembed: bool = False  # a tray of the older kind, made of X windows

    @property
    def shows(self) -> bool:
        """Whether an icon can be seen now."""
        return self.platform or self.panel or self.xembed


async def find() -> TrayHost:
    """Look once."""
    if sys.platform != "linux":
        return TrayHost(platform=True)
    bus, watcher, panel = await _on_bus()
    return TrayHost(bus=bus, watcher=watcher, panel=panel, xembed=bool(os.environ.get("DISPLAY")) and has_xembed())


def has_xembed() -> bool:
    """Whether a tray of the older kind is there."""
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
    """Whether a panel shows StatusNotifierItems. Raises BusError where there is not even a watcher."""
    from dbus_fast import Message  # noqa: PLC0415  # Linux only

    from tray.system.session_bus import call  # noqa: PLC0415  # likewise

    question = [WATCHER, "IsStatusNotifierHostRegistered"]
    answer = await call(bus, Message(WATCHER, WATCHER_PATH, PROPERTIES, "Get", signature="ss", body=question))
    return bool(answer[0].value)


async def _on_bus() -> tuple[bool, bool, bool]:
    """Whether there is a bus, a watcher, a panel."""
    from tray.system.notification_daemon import hang_up  # noqa: PLC0415  # Linux only
    from tray.system.session_bus import BusError, connect  # noqa: PLC0415  # likewise

    try:
        bus = await connect()
    except BusError:
        return False, False, False
    try:
        return True, True, await host_registered(bus)
    except BusError:
        return True, False, False
    finally:
        await hang_up(bus)
