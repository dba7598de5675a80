"""A private Wayland desktop: Sway without a screen, and Waybar at the bottom with a tray in its right corner."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path

from desk import WATCHER, Window
from PIL import Image
from wayland_desk import Box, WaylandDesk
from wayland_mouse import WaylandMouse

from fake_desktop import need
from waiting import until

PROGRAMS = ("sway", "swaymsg", "waybar", "grim", "dbus-daemon", "gdbus", "unshare")
SWAY = """output HEADLESS-1 mode 1280x800
output * bg #405070 solid_color
"""
WAYBAR = """{"position": "bottom", "height": 32, "modules-right": ["tray"], "tray": {"icon-size": 24, "spacing": 8}}
"""


class SwayDesk(WaylandDesk):
    """The desktop."""

    name = "waybar"
    panel = "waybar"
    _mouse: WaylandMouse | None = None  # None: not started
    above_panel = (0, 0, 1280, 776)  # a menu overlaps the panel, and ends above the pointer

    def start(self, scale: int = 1) -> None:
        assert scale == 1
        need(*PROGRAMS)
        config = self._folder / "sway.conf"
        config.write_text(SWAY)
        headless = {"WLR_BACKENDS": "headless", "WLR_LIBINPUT_NO_DEVICES": "1", "WLR_RENDERER": "pixman"}
        self.environment |= {"XDG_CURRENT_DESKTOP": "sway", **headless}
        # Sway refuses to run as root; in a user namespace it is another user.
        other_user = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []
        self.spawn("sway", [*other_user, "sway", "--config", str(config)])
        run = Path(self.environment["XDG_RUNTIME_DIR"])
        socket = until(lambda: next(run.glob("sway-ipc.*.sock"), None), "Sway")
        display = until(lambda: next((path for path in run.glob("wayland-?") if path.is_socket()), None), "a display")
        self.environment |= {"SWAYSOCK": str(socket), "WAYLAND_DISPLAY": display.name}
        until(lambda: "1280" in self.run("swaymsg", "-t", "get_outputs"), "the screen")
        self._mouse = WaylandMouse(display, 1280, 800)

    def stop(self) -> None:
        if self._mouse is not None:
            self._mouse.close()
        super().stop()

    def start_panel(self, *, dark: bool = True) -> None:
        self.environment["GTK_THEME"] = "Adwaita:dark" if dark else "Adwaita"
        config, style = self._folder / "waybar.json", self._folder / "waybar.css"
        config.write_text(WAYBAR)
        style.write_text("")
        until(lambda: not self.on_bus(WATCHER), "the end of the previous panel")
        self.spawn(self.panel, ["waybar", "--config", str(config), "--style", str(style)])
        until(lambda: self.on_bus(WATCHER), "the panel")

    def grab(self, box: Box | None = None) -> Image.Image:
        done = subprocess.run(["grim", "-t", "ppm", "-"], env=self.environment, capture_output=True, check=True)
        return Image.open(io.BytesIO(done.stdout)).convert("RGB").crop(box)

    def point(self, x: int, y: int) -> None:
        self._mouse.move(x, y)

    def press_button(self, button: int) -> None:
        self._mouse.click(button)

    def open_submenu(self, menu: Window, row: int) -> tuple[int, list[int]]:
        """The submenu is on the left of the menu, which is in the right corner."""
        window = self.changed(menu.x + 60, self.rows(menu)[row], 1, (0, 0, menu.x - 4, 768))
        return window.x + 30, self.rows(window)
