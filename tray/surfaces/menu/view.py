"""What the tray shows at one moment: a plain value, shown only if it differs from the previous one."""

from __future__ import annotations

import msgspec

from tray.core.sessions import Status
from tray.surfaces.menu.items import Entry, OpenSubmenus


class IconView(msgspec.Struct, frozen=True):
    """The state that the icon shows. `count` is the number of root sessions that wait for the user."""

    status: Status
    count: int = 0
    monochrome: bool = False
    show_count: bool = True
    exposed: bool = False  # the internet can reach the page


class TrayView(msgspec.Struct, frozen=True):
    """Icon, tooltip and menu."""

    icon: IconView
    tooltip: str
    menu: tuple[Entry, ...]
    open_submenus: OpenSubmenus = OpenSubmenus()  # the submenus that are built in `menu`
