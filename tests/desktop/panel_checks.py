"""What the tray must do on every panel: by the icon and menu alone, and with the whole program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from desk import Desk
from test_menu import fleet
from test_panel import ROWS, colour, shown, view
from tray_with_icon import TrayWithIcon

from fake_desktop import environment
from tray.core.commands import OpenNextSession, OpenSession, Quit
from tray.core.sessions import SessionKey, Status
from waiting import until

ANSWER, ALLOW_ONCE = 4, 3  # rows in the menu, and in the submenu after the request's text in three lines


@contextmanager
def running_desk(made: Desk) -> Iterator[Desk]:
    """Start a desktop and its panel, and point this process at it; end all of it afterwards."""
    try:
        made.start()
        made.start_panel()
        names = ("DISPLAY", "WAYLAND_DISPLAY")
        with environment(**{name: made.environment.get(name) for name in names}):
            yield made
    finally:
        made.stop()


def check_icon_and_menu(desk: Desk) -> None:
    """Check the icon's colours, and clicks on it and on a row of its menu."""
    with shown(view(*ROWS)) as (icon, commands):
        for status in (Status.BUSY, Status.ERROR, Status.WAITING_FOR_PERMISSION):
            icon.show(view(*ROWS, status=status))
            place = desk.wait_for_icon(colour(status))
        if not desk.click_opens_menu:
            desk.click(*place)
            until(lambda: commands == [OpenNextSession()], "the command of a left click")
        menu = desk.open_menu(*place, 1 if desk.click_opens_menu else 3)
        desk.screenshot(f"{desk.name}-menu")
        assert len(desk.rows(menu)) == 6
        desk.click(menu.x + 60, desk.rows(menu)[1])
        until(lambda: commands[-1:] == [OpenSession(SessionKey("server", "api"))], "the command of a row")
        until(lambda: not desk.is_open(menu), "a closed menu")


def check_return(desk: Desk) -> None:
    """Check that the icon and its menu are there again after the panel has crashed."""
    with shown(view(*ROWS)) as (_, commands):
        desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION))
        desk.restart_panel()
        desk.point(600, 400)
        menu = desk.open_menu(*desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION)))
        desk.click(menu.x + 60, desk.rows(menu)[-1])
        until(lambda: commands == [Quit()], "the command after the crash")


def check_answer(desk: Desk, folder: Path, sessions: int) -> None:
    """Answer a permission in a submenu of the whole program, which shows this number of sessions."""
    folder.mkdir()
    tray = TrayWithIcon(desk, folder)
    try:
        with tray.plugin() as plugin:
            plugin.send(fleet(sessions))
            place = tray.icon(colour(Status.WAITING_FOR_PERMISSION))
            desk.screenshot(f"{desk.name}-icon")
            menu = desk.open_menu(*place)
            x, rows = desk.open_submenu(menu, ANSWER)
            desk.screenshot(f"{desk.name}-answers")
            desk.click(x, rows[ALLOW_ONCE])
            until(lambda: tray.home.session("ses_000")["requests"][0]["sending"], "the answer")
    finally:
        tray.home.stop()
