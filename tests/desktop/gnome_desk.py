"""A private Wayland desktop: GNOME Shell without a screen, with the AppIndicator extension in its panel at the top."""

from __future__ import annotations

from desk import WATCHER, Window
from PIL import Image
from wayland_desk import Box, WaylandDesk

from fake_desktop import need
from waiting import until

EXTENSION = "ubuntu-appindicators@ubuntu.com"
PROGRAMS = ("gnome-shell", "dbus-daemon", "gdbus")
SETTINGS = f"""[org/gnome/shell]
enabled-extensions=['{EXTENSION}']
welcome-dialog-last-shown-version='999'
[org/gnome/desktop/interface]
enable-animations=false
[org/gnome/desktop/notifications]
show-banners=false
"""
POINTER = """global.testPointer ??= imports.gi.Clutter.get_default_backend().get_default_seat()
    .create_virtual_device(imports.gi.Clutter.InputDeviceType.POINTER_DEVICE);
const now = imports.gi.GLib.get_monotonic_time();
"""


class GnomeDesk(WaylandDesk):
    """The desktop. Its mouse is one that GNOME Shell itself makes, as remote desktops use it."""

    name = "gnome"
    panel = "gnome-shell"
    panel_lines = (0, 32)
    above_panel = (0, 32, 1280, 1080)
    click_opens_menu = True

    def start(self, scale: int = 1) -> None:
        assert scale == 1
        need(*PROGRAMS)
        self.write_gsettings(SETTINGS)
        self.environment |= {
            "XDG_CURRENT_DESKTOP": "GNOME",
            "XDG_SESSION_TYPE": "wayland",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "DBUS_SYSTEM_BUS_ADDRESS": self.bus.address,  # it needs one, but none of the services there
        }

    def start_panel(self, *, dark: bool = True) -> None:
        assert dark
        until(lambda: not self.on_bus(WATCHER), "the end of the previous panel")
        headless = ["--headless", "--no-x11", "--virtual-monitor", "1280x1080"]
        self.spawn(self.panel, ["gnome-shell", *headless, "--unsafe-mode"])
        until(lambda: self.on_bus(WATCHER), "the panel")
        until(lambda: "false" in self.evaluate("imports.ui.main.layoutManager._startingUp"), "the end of its start")
        self.evaluate("imports.ui.main.overview.hide()")
        until(lambda: "false" in self.evaluate("imports.ui.main.overview.visible"), "an empty screen")

    def evaluate(self, script: str) -> str:
        """Run JavaScript in GNOME Shell, which its unsafe mode allows."""
        return self._call("", "Eval", script)

    def _call(self, part: str, method: str, *arguments: str) -> str:
        interface, path = f"org.gnome.Shell{part}", f"/org/gnome/Shell{part.replace('.', '/')}"
        return self.run("gdbus", "call", "-e", "-d", interface, "-o", path, "-m", f"{interface}.{method}", *arguments)

    def grab(self, box: Box | None = None) -> Image.Image:
        file = self._folder / "screen.png"
        until(lambda: "true" in self._call(".Screenshot", "Screenshot", "false", "false", str(file)), "a picture")
        return Image.open(file).convert("RGB").crop(box)

    def point(self, x: int, y: int) -> None:
        self.evaluate(f"{POINTER} global.testPointer.notify_absolute_motion(now, {x}, {y});")

    def press_button(self, button: int) -> None:
        number = {1: "PRIMARY", 3: "SECONDARY"}[button]
        for state in ("PRESSED", "RELEASED"):
            event = f"imports.gi.Clutter.BUTTON_{number}, imports.gi.Clutter.ButtonState.{state}"
            self.evaluate(f"{POINTER} global.testPointer.notify_button(now, {event});")

    def open_submenu(self, menu: Window, row: int) -> tuple[int, list[int]]:
        """The rows of a submenu appear below its row, inside the menu."""
        before = self.rows(menu)
        below = self.changed(menu.x + 60, before[row], 1, (menu.x, before[row] + 14, menu.box[2], 1080))
        return menu.x + 60, self.rows(below)
