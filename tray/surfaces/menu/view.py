"""What the tray shows at one moment: a plain value, compared before it is shown."""

from __future__ import annotations

import msgspec

from tray.core.model import Status
from tray.surfaces.menu.items import Entry, Opened


class IconView(msgspec.Struct, frozen=True):
    """What the icon says. `count` is the number of root sessions that wait for a person."""

    status: Status
    count: int = 0
    monochrome: bool = False
    show_count: bool = True


class TrayView(msgspec.Struct, frozen=True):
    """Icon, tooltip and menu."""

    icon: IconView
    tooltip: str
    menu: tuple[Entry, ...]
    opened: Opened = Opened()  # the submenus that are filled in `menu`
