"""A private desktop: an X server, a session bus, a panel, a notification daemon and a mouse.

Home, XDG folders, display and bus are private, and only processes that were started here are ended. The content of the
screen is read from its pixels: the icon by its colour, the rows of a menu as horizontal bands of text.
"""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageGrab

from fake_desktop import PrivateBus
from waiting import until

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
LIBRARIES = f"/usr/lib/{platform.machine()}-linux-gnu/xfce4"
XFCONFD, NOTIFYD = f"{LIBRARIES}/xfconf/xfconfd", f"{LIBRARIES}/notifyd/xfce4-notifyd"
PROGRAMS = ("Xvfb", "xdotool", "xwininfo", "xsetroot", "dbus-daemon", "gdbus", "xfce4-panel", XFCONFD, "import")
WATCHER, SETTINGS, NOTIFICATIONS = "org.kde.StatusNotifierWatcher", "org.xfce.Xfconf", "org.freedesktop.Notifications"

DAEMONS = {
    "xfce4-notifyd": NOTIFYD,
    "mate-notification-daemon": "/usr/lib/mate-notification-daemon/mate-notification-daemon",
    "notification-daemon": "/usr/lib/notification-daemon/notification-daemon",
}

DUNST_RULES = """[global]
    mouse_left_click = do_action
    origin = top-right
    history_length = 100
    dmenu = {chooser}
"""

Colour = tuple[int, int, int]

GTK_MENU_SHELL_TIMEOUT = 0.5  # s after a menu has opened; GTK 3 ignores the first click on a row in this time

XFCE_PANEL = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0">
  <property name="configver" type="int" value="2"/>
  <property name="panels" type="array">
    <value type="int" value="1"/>
    <property name="panel-1" type="empty">
      <property name="position" type="string" value="p=10;x=0;y=0"/>
      <property name="position-locked" type="bool" value="true"/>
      <property name="length" type="uint" value="100"/>
      <property name="size" type="uint" value="32"/>
      <property name="plugin-ids" type="array"><value type="int" value="1"/><value type="int" value="2"/></property>
    </property>
  </property>
  <property name="plugins" type="empty">
    <property name="plugin-1" type="string" value="separator">
      <property name="expand" type="bool" value="true"/>
    </property>
    <property name="plugin-2" type="string" value="systray">
      <property name="square-icons" type="bool" value="true"/>
    </property>
  </property>
</channel>
"""


@dataclass(frozen=True)
class Window:
    """A window on the screen, in pixels from the top left."""

    id: str
    x: int
    y: int
    width: int
    height: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        return self.x, self.y, self.x + self.width, self.y + self.height


class Desk:
    """The desktop. Programs need the variables in `environment` to run on it."""

    name = "xfce"
    panel = "xfce4-panel"  # the name by which it was started here
    panel_lines = (760, 800)  # the part of the screen in which the panel is
    click_opens_menu = False  # a left click on the icon opens its menu as well

    def __init__(self, folder: Path, bus: PrivateBus) -> None:
        self.bus = bus
        self.display = ""
        self.scale = 1
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._menu_opened = 0.0  # time.monotonic()
        for name in ("home", "run", "tmp"):
            (folder / name).mkdir(mode=0o700)
        home = folder / "home"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_DATA_HOME": str(home / ".local/share"),
            "XDG_STATE_HOME": str(home / ".local/state"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "TMPDIR": str(folder / "tmp"),
            "XDG_CURRENT_DESKTOP": "XFCE",
            "DBUS_SESSION_BUS_ADDRESS": bus.address,
            "GSETTINGS_BACKEND": "memory",
            "NO_AT_BRIDGE": "1",
            "LANG": "C.UTF-8",
        }

    def start(self, scale: int = 1) -> None:
        """Start a screen of 1280 by 800 points on a free display number; a point is `scale` pixels wide."""
        self.scale = scale
        if scale != 1:
            self.environment["GDK_SCALE"] = str(scale)
        reading, writing = os.pipe()
        size = f"{1280 * scale}x{800 * scale}x24"
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp", "-noreset"]
        self.spawn("Xvfb", command, pass_fds=(writing,))
        os.close(writing)
        with os.fdopen(reading) as answer:
            self.display = f":{answer.readline().strip()}"
        self.environment["DISPLAY"] = self.display
        self.run("xsetroot", "-solid", "#405070")

    def stop(self) -> None:
        """End all started programs, the newest first."""
        for name in reversed(list(self._processes)):
            self.end(name)

    def spawn(self, name: str, command: list[str], pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        """Start or restart a program on this desktop; its output goes to the file `<name>.log`."""
        if name in self._processes:
            self.end(name)
        with (self._folder / f"{name}.log").open("ab") as output:
            process = subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        self._processes[name] = process
        return process

    def end(self, name: str, how: int = signal.SIGTERM) -> None:
        """End a program that was started here, and its child processes."""
        process = self._processes.pop(name)
        if process.poll() is None:
            os.killpg(process.pid, how)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a program that was started here."""
        os.kill(self._processes[name].pid, number)

    def output(self, name: str) -> str:
        """Return the output of a program so far."""
        return (self._folder / f"{name}.log").read_text()

    def run(self, *command: str) -> str:
        """Run a program to its end and return its output."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=30, check=False)
        return done.stdout

    def start_panel(self, *, dark: bool = False) -> None:
        """Start an Xfce panel at the bottom with a tray in its right corner."""
        self.environment["GTK_THEME"] = "Adwaita:dark" if dark else "Adwaita"
        folder = Path(self.environment["XDG_CONFIG_HOME"]) / "xfce4/xfconf/xfce-perchannel-xml"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "xfce4-panel.xml").write_text(XFCE_PANEL)
        if not self.on_bus(SETTINGS):  # the bus starts nothing by itself
            self.spawn("xfconfd", [XFCONFD])
            until(lambda: self.on_bus(SETTINGS), "the panel's settings")
        until(lambda: not self.on_bus(WATCHER), "the end of the previous panel")
        self.spawn("xfce4-panel", ["xfce4-panel", "--disable-wm-check"])
        until(lambda: self.on_bus(WATCHER), "the panel", 20)

    def write_config(self, name: str, text: str) -> None:
        """Write a file in the folder of settings."""
        path = Path(self.environment["XDG_CONFIG_HOME"]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def write_gsettings(self, text: str) -> None:
        """Give GNOME's, Cinnamon's and MATE's programs these settings."""
        self.write_config("glib-2.0/settings/keyfile", text)
        self.environment["GSETTINGS_BACKEND"] = "keyfile"

    def restart_panel(self) -> None:
        """Kill the panel, as a crash does, and start it again."""
        self.end(self.panel, signal.SIGKILL)
        self.start_panel()

    def start_xembed_tray(self) -> None:
        """Start an XEmbed tray, which has no D-Bus interface."""
        place = ["--edge", "bottom", "--align", "right", "--height", "32", "--widthtype", "pixel", "--width", "200"]
        self.spawn("trayer", ["trayer", *place])

    def start_notifications(self, daemon: str = "xfce4-notifyd", chooser: str = "/bin/true") -> None:
        """Start a notification daemon. The notifications of dunst can be read back with `shown_notifications`.

        `dunstctl context` presses the button that the command `chooser` prints of those on its input.
        """
        rules = self._folder / "dunstrc"
        rules.write_text(DUNST_RULES.format(chooser=chooser))
        commands = {"dunst": ["dunst", "-conf", str(rules)], "lxqt-notificationd": ["lxqt-notificationd"]}
        self.spawn(daemon, commands.get(daemon) or [DAEMONS[daemon]])
        until(lambda: self.on_bus(NOTIFICATIONS), "the notification daemon")

    def toast(self, what: str = "a notification") -> Window:
        """Return the window of the visible notification once it has stopped moving. No menu may be open."""
        seen: list[Window | None] = [None]

        def steady() -> Window | None:
            seen.append(next((window for window in self.windows().values() if window.y < 400), None))
            return seen[-1] if seen[-1] == seen[-2] else None

        return until(steady, what)

    def shown_notifications(self) -> list[str]:
        """Close all notifications of dunst; return title and text of each one in its history, the newest first."""
        self.run("dunstctl", "close-all")
        shown = json.loads(self.run("dunstctl", "history"))["data"][0]
        return [f"{toast['summary']['data']}\n{toast['body']['data']}" for toast in shown]

    def on_bus(self, name: str) -> bool:
        """Return whether the name has an owner."""
        bus = "org.freedesktop.DBus"
        call = ["-d", bus, "-o", "/org/freedesktop/DBus", "-m", f"{bus}.NameHasOwner", name]
        return "true" in self.run("gdbus", "call", "--session", *call)

    # ------------------------------------------------------------------ the screen

    def grab(self, box: tuple[int, int, int, int] | None = None) -> Image.Image:
        """Return a picture of the screen, or of a part of it."""
        return ImageGrab.grab(bbox=box, xdisplay=self.display).convert("RGB")

    def find(self, colour: Colour, pixels: int = 20) -> tuple[int, int] | None:
        """Return the centre of the pixels of this colour in the panel, or None if there are fewer than `pixels`."""
        top, bottom = self.panel_lines
        strip = (0, top * self.scale, 1280 * self.scale, bottom * self.scale)
        picture = self.grab(strip)
        seen = picture.tobytes()
        hits = [
            offset // 3
            for offset in range(0, len(seen), 3)
            if all(abs(seen[offset + channel] - colour[channel]) < 24 for channel in range(3))
        ]
        if len(hits) < pixels:
            return None
        columns, lines = [hit % picture.width for hit in hits], [hit // picture.width for hit in hits]
        return sum(columns) // len(hits), strip[1] + sum(lines) // len(hits)

    def wait_for_icon(self, colour: Colour) -> tuple[int, int]:
        """Wait until an icon of this colour has stopped moving; return its position."""
        found: list[tuple[int, int] | None] = [None]

        def steady() -> tuple[int, int] | None:
            found.append(self.find(colour))
            return found[-1] if found[-1] == found[-2] else None

        return until(steady, f"an icon of the colour {colour}")

    def windows(self) -> dict[str, Window]:
        """Return the visible windows by ID, without those that are too small for a menu."""
        line = r'^\s+(0x[0-9a-f]+) (?:".*?"|\(has no name\)): \(.*?\)\s+(\d+)x(\d+)\+-?\d+\+-?\d+\s+\+(-?\d+)\+(-?\d+)'
        windows = {}
        for id_, *numbers in re.findall(line, self.run("xwininfo", "-root", "-tree"), re.MULTILINE):
            width, height, x, y = map(int, numbers)
            if 50 < width < 1270 * self.scale and height > 24 and "IsViewable" in self.run("xwininfo", "-id", id_):
                windows[id_] = Window(id_, x, y, width, height)
        return windows

    def is_open(self, window: Window) -> bool:
        """Return whether the window is visible."""
        return "IsViewable" in self.run("xwininfo", "-id", window.id)

    def rows(self, window: Window) -> list[int]:
        """Return the y coordinate on the screen of each row of text in a menu, from the top.

        What reaches an edge is not a row but a shadow, or a round corner with what is behind it.
        """
        picture = self.grab(window.box)
        colours = picture.getcolors(1 << 20)
        assert colours is not None
        background = Image.new("RGB", picture.size, max(colours)[1])
        red, green, blue = ImageChops.difference(picture, background).split()
        text = ImageChops.add(ImageChops.add(red, green), blue).point(lambda difference: 255 * (difference > 90))
        _, lines = text.crop((14, 0, text.width - 14, text.height)).getprojection()
        bands = re.finditer("1{5,}", "".join("01"[bool(line)] for line in lines))
        inside = [band.span() for band in bands if band.start() > 0 and band.end() < len(lines)]
        return [window.y + (start + end) // 2 for start, end in inside]

    def screenshot(self, name: str) -> None:
        """Save a picture of the screen as an artifact of the test run."""
        ARTIFACTS.mkdir(exist_ok=True)
        self.run("import", "-window", "root", str(ARTIFACTS / f"{name}.png"))

    # ------------------------------------------------------------------ mouse and keyboard

    def point(self, x: int, y: int) -> None:
        """Move the pointer."""
        self.run("xdotool", "mousemove", str(x), str(y))

    def click(self, x: int, y: int, button: int = 1, *options: str) -> None:
        """Move the pointer and click; if a menu has just opened, wait until GTK accepts the click."""
        pause = max(0.15, self._menu_opened + GTK_MENU_SHELL_TIMEOUT + 0.1 - time.monotonic())
        self.run("xdotool", "mousemove", str(x), str(y), "sleep", f"{pause:.2f}", "click", *options, str(button))

    def open_menu(self, x: int, y: int, button: int = 3) -> Window:
        """Click, wait until the menu that opens has its final size and is drawn, and return its window."""
        before = self.windows()
        self.click(x, y, button)
        self._menu_opened = time.monotonic()
        seen: list[Window | None] = [None]

        def steady() -> Window | None:
            new = [window for id_, window in self.windows().items() if id_ not in before and not self._is_tooltip(id_)]
            seen.append(max(new, key=lambda window: window.height, default=None))
            return seen[-1] if seen[-1] == seen[-2] else None

        menu = until(steady, "a menu")
        until(lambda: self.rows(menu) or not self.is_open(menu), "the rows of the menu")
        return menu

    def open_submenu(self, menu: Window, row: int) -> tuple[int, list[int]]:
        """Open the submenu of a row of a menu; return a place in its rows: x on the screen, and y of each row."""
        window = self.open_menu(menu.x + 60, self.rows(menu)[row], button=1)
        until(lambda: len(self.rows(window)) > 1, "the rows of the submenu")
        return window.x + 30, self.rows(window)

    def _is_tooltip(self, window: str) -> bool:
        return "TOOLTIP" in self.run("xprop", "-id", window, "_NET_WM_WINDOW_TYPE")

    def press(self, key: str) -> None:
        """Press a key."""
        self.run("xdotool", "key", key)
