"""Make the pictures of the documentation: simulated sessions on a private desktop, in a temporary folder.

Needs the desktop packages that `packaging/check.py` installs. Run it from the checkout, in the tests' environment:
PYTHONPATH=.:tests:tests/desktop python docs/screenshots/make.py [NAME ...]
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from desk import ARTIFACTS, Desk
from PIL import Image, ImageChops, ImageDraw, ImageFont
from playwright.async_api import async_playwright

from fake_desktop import PrivateBus
from opencode import NEWEST, binary
from page_client import new_address
from running_app import RunningApp
from sample_history import YESTERDAY, fill_history
from sample_sessions import sample_sessions
from tray.core.phone_ways import NOTES, PhoneAddress, Way
from tray.core.sessions import Status
from tray.surfaces.icon import draw
from tray.surfaces.menu.view import IconView
from tray.surfaces.phone_picture import phone_picture
from tray_process import Home
from waiting import until

HERE = Path(__file__).parent
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
PAPERS = {"#f0f0f0": "#202020", "#202020": "#f0f0f0"}  # panel colour: text colour
STATES = {  # in the order of urgency
    Status.WAITING_FOR_PERMISSION: "permission",
    Status.WAITING_FOR_ANSWER: "question",
    Status.ERROR: "failed",
    Status.RETRY: "retrying",
    Status.BUSY: "working",
    Status.COMPLETED: "finished",
    Status.IDLE: "idle",
    Status.DISCONNECTED: "disconnected",
}
YELLOW = (255, 196, 28)
DESKTOPS = {  # name: picture of a test in tests/desktop
    "Xfce": "app-menu",
    "LXQt": "LXQt-session",
    "MATE": "MATE-session",
    "KDE Plasma": "plasma-answers",
    "GNOME with its extension": "gnome-answers",
    "Cinnamon": "cinnamon-answers",
    "Sway with Waybar": "waybar-answers",
    "Windows (under Wine)": "windows-answers",
}
DEMO = """
import tray.cli.demo as demo, tray.core.settings as settings, tray.cli.main as cli
demo.STEP = 9e9  # s: nothing changes meanwhile
settings.ON_QUESTION.default = False  # a third notification would be half behind the menu
cli.main(["demo", "--port", "{}"])
"""
PROMPT = "printf '\\033[1m$ opencode-tray {}\\033[0m\\n'"
PALETTE = ("#1e1e1e", "#f14c4c", "#3fb950", "#e5c07b", "#5aa9f8", "#c678dd", "#56b6c2", "#d4d4d4")
XTERM = (
    "xterm", "-fa", "DejaVu Sans Mono", "-fs", "10", "-bg", PALETTE[0], "-fg", PALETTE[7], "-b", "10", "+sb",
    *(word for n, colour in enumerate(PALETTE[1:7], 1) for word in ("-xrm", f"*color{n}: {colour}")),
    *(word for n, colour in enumerate(PALETTE[1:7], 9) for word in ("-xrm", f"*color{n}: {colour}")),
)  # fmt: skip


@contextmanager
def desktop(*, demo: bool = True, notify: bool = True) -> Iterator[tuple[Desk, Home]]:
    """A desktop with a panel, notifications and simulated sessions that do not change."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bus = PrivateBus(folder)
        bus.start()
        desk = Desk(folder, bus)
        home = Home(folder / "home/dev")
        home.path.mkdir()
        try:
            desk.start()
            os.environ["DISPLAY"] = desk.display
            desk.start_panel(dark=True)
            if notify:
                desk.start_notifications()
            home.environment = {**desk.environment, **home.environment, "HOME": str(home.path)}
            if demo:
                desk.environment |= {name: home.environment[name] for name in ("PYTHONPATH", "TMPDIR")}
                desk.spawn("demo", [sys.executable, "-c", DEMO.format(home.port)])
            yield desk, home
        finally:
            home.stop()
            desk.stop()
            bus.stop()


def save(picture: Image.Image, name: str) -> None:
    """Write a small PNG."""
    file = HERE / f"{name}.png"
    picture.save(file, optimize=True)
    print(f"{file.name}: {picture.width} x {picture.height}, {file.stat().st_size // 1024} KB")


def icons() -> None:
    """The icon in every state, on a light and a dark panel, in colour and in monochrome."""
    cell, height = 104, 96
    picture = Image.new("RGB", (cell * len(STATES), height * len(PAPERS)))
    pen, font = ImageDraw.Draw(picture), ImageFont.truetype(FONT, 13)
    for row, (paper, ink) in enumerate(PAPERS.items()):
        pen.rectangle((0, row * height, picture.width, (row + 1) * height), paper)
        for column, (status, word) in enumerate(STATES.items()):
            icon = draw(IconView(status, 2 if status.needs_user else 0, False, True), 44)
            picture.paste(icon, (column * cell + 30, row * height + 14), icon)
            pen.text((column * cell + cell // 2, row * height + 76), word, ink, font, "mm")
    save(picture, "icon-states")


def menu() -> None:
    """The menu with an answer's submenu, and notifications beside it."""
    with desktop() as (desk, _):
        icon = desk.wait_for_icon(YELLOW)
        desk.toast()
        time.sleep(1)
        window = desk.open_menu(*icon)
        rows = desk.rows(window)
        desk.run("xdotool", "mousemove", str(window.x + 200), str(rows[4]))
        time.sleep(1.5)
        save(desk.grab((460, 0, 1280, 800)), "menu")


def submenu(name: str, *rows: int, alone: bool = False) -> Callable[[], None]:
    """Submenus, opened one after the other by pointing at this row of each menu; the last one `alone`, or all."""

    def take() -> None:
        with desktop(notify=False) as (desk, _):
            window = first = desk.open_menu(*desk.wait_for_icon(YELLOW))
            for row in rows:
                before = desk.windows()
                desk.run("xdotool", "mousemove", str(window.x + 60), str(desk.rows(window)[row]))
                time.sleep(2)
                window = next(shown for shown in desk.windows().values() if shown.id not in before)
            left, top, right, end = window.box
            if not alone:
                left, top, right, end = left - 12, max(top - 200, first.y), 1280, min(end + 12, 800)
            save(desk.grab((max(left, 0), max(top, 0), right, end)), name)

    return take


def notifications() -> None:
    """A permission's and an error's notification."""
    with desktop() as (desk, _):
        desk.wait_for_icon(YELLOW)
        desk.toast()
        time.sleep(1.5)
        save(desk.grab((780, 0, 1280, 240)), "notifications")


def show(desk: Desk, name: str, script: str, lines: int, columns: int) -> None:
    """Run a shell script in a terminal, and take a picture of that."""
    geometry = ("-geometry", f"{columns}x{lines}+20+20")
    desk.spawn("xterm", [*XTERM, *geometry, "-e", "sh", "-c", f"{script}; tput civis; sleep 60"])
    window = until(lambda: next((w for w in desk.windows().values() if w.x < 60 and w.y < 60), None), "xterm")
    time.sleep(4)
    save(desk.grab(window.box), name)


def command(name: str, lines: int, columns: int) -> Callable[[], None]:
    """The picture of one of our commands in a terminal."""

    def take() -> None:
        with desktop(notify=False) as (desk, home):
            desk.wait_for_icon(YELLOW)
            token = next(Path(home.environment["TMPDIR"]).glob("opencode-tray-demo-*/token"))
            desk.environment["OPENCODE_TRAY_TOKEN_FILE"] = str(token)
            run = f"{shlex.quote(sys.executable)} -m tray {name} --port {home.port}"
            show(desk, name, run if name == "watch" else f"{PROMPT.format(name)}; {run}", lines, columns)

    return take


def doctor() -> None:
    """Its findings, as of a user "dev" on whose machine no other server runs."""
    with desktop(demo=False) as (desk, home):
        home.environment["PATH"] = f"{binary(NEWEST).parent}:{home.environment['PATH']}"
        home.tray("--no-notify")
        text = home.run("doctor", "--port", str(home.port)).stdout
        text = text.replace(str(binary(NEWEST).parent), "/usr/local/bin").replace("x-terminal-emulator", "xterm")
        for ours, usual in (("config", ".config"), ("data", ".local/share")):
            text = text.replace(str(home.path / ours), f"/home/dev/{usual}")
        text = text.replace(str(home.port), "41235").replace("OpenCode ?", f"OpenCode {NEWEST}")
        text = re.sub(r".. server \S+ \(.*\n     .*\n|.*HTTP server.*\n", "", text)
        (home.path / "findings").write_text(text)
        script = f"{PROMPT.format('doctor')}; cat {shlex.quote(str(home.path / 'findings'))}"
        show(desk, "doctor", script, text.count("\n") + 2, 88)


def agents() -> None:
    """The menu with the sessions of three kinds of agents: a test starts the real programs and takes the picture."""
    test = HERE.parents[1] / "tests" / "desktop" / "test_all_agents.py"
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-n0", str(test)], check=True)
    picture = Image.open(ARTIFACTS / "all-agents.png").convert("RGB")
    desktop = Image.new("RGB", picture.size, picture.getpixel((0, 0)))
    left, top, _, _ = ImageChops.difference(picture, desktop).crop((0, 0, picture.width, 760)).getbbox()
    save(picture.crop((left - 12, top - 12, *picture.size)), "agents")


async def page() -> None:
    """The page with a session, the usage, a past session, and the list on a narrow screen in dark colours."""
    with tempfile.TemporaryDirectory() as folder:
        running = RunningApp(Path(folder))
        await running.app.start()
        fill_history(running.paths.history)
        life = asyncio.create_task(running.app.run_until_stopped())
        async with sample_sessions(running), async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            for name, scheme, width, fragment, shown in (
                ("page", "light", 1240, "#/s/ses_refund", ".messages"),
                ("usage", "light", 1120, "#/usage", ".usage .chart svg"),
                ("history", "light", 1240, f"#/s/{YESTERDAY}", ".timeline .asked"),
                ("page-narrow", "dark", 390, "#/", ".row"),
            ):
                context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 820})
                tab = await context.new_page()
                await tab.goto(await new_address(running))
                await tab.wait_for_selector(".card")
                await tab.evaluate("hash => { location.hash = hash }", fragment)
                await tab.wait_for_selector(shown)
                picture = Image.open(io.BytesIO(await tab.screenshot())).convert("RGB")
                picture = picture.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
                save(picture, name)
            await browser.close()
        running.app.stop()
        await life


def phone() -> None:
    """What the window with the QR code shows."""
    url = "https://desk.tail1234.ts.net/#c=not-a-real-code"
    address = PhoneAddress(url, Way.TAILSCALE, NOTES[Way.TAILSCALE], "K7QM-2XPD")
    picture = Image.open(io.BytesIO(phone_picture(address))).convert("L")
    save(picture.quantize(16), "phone")


def desktops() -> None:
    """The menu on each desktop, from the pictures that the tests have taken: run those first, as Platforms says."""
    columns, width, height, bar = 4, 470, 350, 26
    sheet = Image.new("RGB", (columns * width, -(-len(DESKTOPS) // columns) * (height + bar)), "#ffffff")
    pen, font = ImageDraw.Draw(sheet), ImageFont.truetype(FONT, 15)
    for number, (name, file) in enumerate(DESKTOPS.items()):
        left, top = number % columns * width, number // columns * (height + bar)
        picture = Image.open(ARTIFACTS / f"{file}.png").convert("RGB")
        desktop = Image.new("RGB", picture.size, picture.getpixel((0, 0)))
        box = ImageChops.difference(picture, desktop).getbbox()
        picture = picture.crop((max(box[0], picture.width - 1000), box[1], picture.width, box[3]))
        picture.thumbnail((width - 10, height), Image.Resampling.LANCZOS)
        sheet.paste(picture, (left + 5, top + bar))
        pen.text((left + 5, top + 4), name, fill="#202020", font=font)
    save(sheet.quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE), "desktops")


PICTURES: dict[str, Callable[[], None]] = {
    "desktops": desktops,
    "icons": icons,
    "menu": menu,
    "question": submenu("answer-question", 6),
    "session": submenu("session-menu", 14, 1, 1, alone=True),
    "servers": submenu("servers-menu", 15),
    "notifications": notifications,
    "status": command("status", lines=11, columns=100),
    "watch": command("watch", lines=11, columns=124),
    "doctor": doctor,
    "agents": agents,
    "phone": phone,
    "page": lambda: asyncio.run(page()),
}

if __name__ == "__main__":
    for wanted in sys.argv[1:] or PICTURES:
        PICTURES[wanted]()
