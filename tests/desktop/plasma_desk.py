"""A private desktop with Plasma's panel, its window manager, and the daemon in which icons register."""

from __future__ import annotations

import platform

import desk
from desk import WATCHER, Desk

from fake_desktop import need
from waiting import until

ACTIVITIES = f"/usr/lib/{platform.machine()}-linux-gnu/libexec/kactivitymanagerd"
SHELL = "/usr/share/plasma/shells/org.kde.plasma.desktop"
PROGRAMS = ("Xvfb", "xdotool", "xwininfo", "kwin_x11", "kded5", "plasmashell", ACTIVITIES)
# A panel at the bottom with a tray on its right. Known items that are not wanted are not added by themselves.
LAYOUT = """[Containments][1]
formfactor=2
lastScreen=0
location=4
plugin=org.kde.panel
[Containments][1][Applets][2]
plugin=org.kde.plasma.panelspacer
[Containments][1][Applets][3]
plugin=org.kde.plasma.systemtray
[Containments][1][Applets][3][Configuration]
SystrayContainmentId=4
[Containments][1][General]
AppletOrder=2;3
[Containments][4]
formfactor=2
lastScreen=0
location=4
plugin=org.kde.plasma.private.systemtray
[Containments][4][General]
knownItems=org.kde.plasma.notifications
showAllItems=true
"""


class PlasmaDesk(Desk):
    """The desktop."""

    name = "plasma"
    panel = "plasmashell"

    def start(self, scale: int = 1) -> None:
        need(*PROGRAMS, *desk.PROGRAMS)
        super().start(scale)
        self.write_config("plasma-org.kde.plasma.desktop-appletsrc", LAYOUT)
        self.environment |= {
            "XDG_CURRENT_DESKTOP": "KDE",
            "KDE_FULL_SESSION": "true",
            "KDE_SESSION_VERSION": "5",
            "QT_QPA_PLATFORM": "xcb",
            "QT_QUICK_BACKEND": "software",
            "LIBGL_ALWAYS_SOFTWARE": "1",
        }
        self.spawn("kwin", ["kwin_x11"])
        self.spawn("kactivitymanagerd", [ACTIVITIES])
        self.spawn("kded5", ["kded5"])
        until(lambda: self.on_bus(WATCHER), "the daemon in which icons register")

    def start_panel(self, *, dark: bool = False) -> None:
        assert not dark
        self.spawn(self.panel, ["plasmashell", "--no-respawn"])
