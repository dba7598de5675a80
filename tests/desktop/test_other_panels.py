"""The whole program on the panels of LXQt and MATE: the rows of its submenus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import WATCHER, Desk, Window
from test_menu import fleet
from test_panel import colour
from tray_with_icon import TrayWithIcon

from fake_desktop import need
from tray.core.sessions import Status
from waiting import until

pytestmark = pytest.mark.desktop

SCREEN = (1280, 800)
ANSWER, IDLE, ALL_SESSIONS, MORE = 4, -4, -3, -2  # rows in the menu
ALLOW_ONCE = 3  # row in the submenu, after the request's text in three lines
MATE_APPLET = "/usr/lib/mate-panel/notification-area-applet"

LXQT_PANEL = """[General]
__userfile__=true
panels=panel1
[panel1]
panelSize=32
plugins=spacer, statusnotifier
position=Bottom
width=100
width-percent=true
[spacer]
expandable=true
type=spacer
[statusnotifier]
type=statusnotifier
"""
MATE_PANEL = """[org/mate/panel/general]
default-layout=''
object-id-list=['notification-area']
toplevel-id-list=['bottom']
[org/mate/panel/toplevels/bottom]
expand=true
orientation='bottom'
size=32
[org/mate/panel/objects/notification-area]
applet-iid='NotificationAreaAppletFactory::NotificationArea'
object-type='applet'
panel-right-stick=true
position=0
toplevel-id='bottom'
"""


def start_lxqt_panel(desk: Desk) -> None:
    need("lxqt-panel", "openbox")
    desk.environment |= {"XDG_CURRENT_DESKTOP": "LXQt", "QT_QPA_PLATFORM": "xcb", "QT_FONT_DPI": "75"}
    desk.write_config("lxqt/panel.conf", LXQT_PANEL)
    desk.spawn("openbox", ["openbox", "--sm-disable"])
    desk.spawn("panel", ["lxqt-panel"])


def start_mate_panel(desk: Desk) -> None:
    need("mate-panel", "openbox", MATE_APPLET)
    desk.environment |= {"XDG_CURRENT_DESKTOP": "MATE", "GTK_THEME": "Adwaita"}
    desk.write_gsettings(MATE_PANEL)
    desk.spawn("openbox", ["openbox", "--sm-disable"])
    desk.spawn("applet", [MATE_APPLET])  # the bus starts nothing by itself
    desk.spawn("panel", ["mate-panel"])


def submenu(desk: Desk, menu: Window, row: int, least: int) -> Window:
    """Open the submenu of a row and wait until it has at least `least` rows; check that it is on the screen.

    MATE's panel rebuilds its menu just after it has shown it, and closes any submenu that is open at that time.
    """

    def opened() -> Window | None:
        window = desk.open_menu(menu.x + 20, desk.rows(menu)[row], button=1)
        until(lambda: len(desk.rows(window)) >= least or not desk.is_open(window), f"{least} rows")
        return window if desk.is_open(window) else None

    found = until(opened, "a submenu")
    assert 0 <= found.x <= SCREEN[0] - found.width
    assert 0 <= found.y <= SCREEN[1] - found.height
    return found


@pytest.fixture(params=[start_lxqt_panel, start_mate_panel], ids=["lxqt", "mate"])
def tray(request: pytest.FixtureRequest, desk: Desk, tmp_path: Path) -> Iterator[TrayWithIcon]:
    request.param(desk)
    until(lambda: desk.on_bus(WATCHER), "the panel", 20)
    (tmp_path / "tray").mkdir()
    made = TrayWithIcon(desk, tmp_path / "tray")
    yield made
    made.home.stop()


def test_every_submenu_has_its_rows_when_it_is_opened(tray: TrayWithIcon):
    desk = tray.desk
    with tray.plugin() as plugin:
        plugin.send(fleet(30))
        icon = tray.icon(colour(Status.WAITING_FOR_PERMISSION))
        for row, rows in ((IDLE, 17), (MORE, 4), (ALL_SESSIONS, 6)):
            menu = desk.open_menu(*icon)
            opened = submenu(desk, menu, row, rows)
            if row == ALL_SESSIONS:
                submenu(desk, submenu(desk, opened, 0, 5), 2, 8)
                desk.screenshot(f"{desk.environment['XDG_CURRENT_DESKTOP']}-session")
            while desk.is_open(menu):
                desk.press("Escape")


def test_an_answer_in_a_submenu_of_lxqt_or_mate_is_sent(tray: TrayWithIcon):
    """LXQt's panel reports that the menu is closed before it reports the click."""
    desk = tray.desk
    with tray.plugin() as plugin:
        plugin.send(fleet(30))
        menu = desk.open_menu(*tray.icon(colour(Status.WAITING_FOR_PERMISSION)))
        answers = submenu(desk, menu, ANSWER, 7)
        desk.click(answers.x + 20, desk.rows(answers)[ALLOW_ONCE])
        until(lambda: tray.home.session("ses_000")["requests"][0]["sending"], "the answer")
