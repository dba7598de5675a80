"""A private desktop with Cinnamon, which draws the panel and is the window manager, and XApp's watcher of icons."""

from __future__ import annotations

import desk
from desk import WATCHER, Desk

from fake_desktop import need
from waiting import until

XAPP_WATCHER = "/usr/libexec/xapps/sn-watcher/xapp-sn-watcher"
SETTINGS = """[org/cinnamon]
panels-enabled=['1:0:bottom']
panels-height=['1:32']
enabled-applets=['panel1:right:0:xapp-status@cinnamon.org:1']
desktop-effects=false
[org/cinnamon/desktop/notifications]
display-notifications=false
"""


class CinnamonDesk(Desk):
    """The desktop."""

    name = "cinnamon"
    panel = "cinnamon"

    def start(self, scale: int = 1) -> None:
        need("cinnamon", XAPP_WATCHER, *desk.PROGRAMS)
        super().start(scale)
        self.write_gsettings(SETTINGS)
        self.environment |= {
            "XDG_CURRENT_DESKTOP": "X-Cinnamon",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address,  # it needs one, but none of the services there
        }
        self.spawn("xapp-sn-watcher", [XAPP_WATCHER])  # the bus starts nothing by itself

    def start_panel(self, *, dark: bool = False) -> None:
        assert not dark
        self.spawn(self.panel, ["cinnamon"])
        until(lambda: self.on_bus(WATCHER), "the panel")
