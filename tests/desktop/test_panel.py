"""The tray icon on a real panel, under a real mouse."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from desk import Colour, Desk, until

from fake_desktop import running
from tray.core.commands import Command, OpenNextSession, OpenSession, Quit
from tray.core.model import SessionKey, Status
from tray.surfaces.backends.open_icon import open_tray_icon
from tray.surfaces.backends.tray_icon import TrayIcon
from tray.surfaces.icon import draw
from tray.surfaces.menu.items import Item, Separator
from tray.surfaces.menu.view import IconView, TrayView

pytestmark = pytest.mark.desktop


def colour(status: Status) -> Colour:
    """What the icon of a state mostly has."""
    picture = draw(IconView(status), 24)
    colours = picture.getcolors(1 << 20) or []
    red, green, blue = max((times, pixel) for times, pixel in colours if pixel[3] == 255)[1][:3]
    return red, green, blue


def go(name: str, label: str) -> Item:
    return Item(f"session:{name}", label, OpenSession(SessionKey("server", name)))


def view(*rows: Item, status: Status = Status.WAITING_FOR_PERMISSION) -> TrayView:
    menu = (
        Item("next", "Go to next", OpenNextSession(), default=True),
        Separator("after next"),
        *rows,
        Separator("before quit"),
        Item("quit", "Quit", Quit()),
    )
    return TrayView(IconView(status, 2), "2 need you · 3 working · 5 idle", menu)


ROWS = (
    go("api", "! api · Fix the login — bash: rm -rf build · 4m"),
    Item("answer", "    Answer", children=(go("once", "Allow once"), go("reject", "Reject"))),
    go("web", "◐ web · snake_case & <b>bold</b> 日本語 עברית 💣"),
    Item("mute", "Muted until tomorrow", Quit(), checked=True),
)


@contextmanager
def shown(first: TrayView) -> Iterator[tuple[TrayIcon, list[Command]]]:
    choices: list[Command] = []
    icon = open_tray_icon("opencode-tray", "OpenCode Tray", first, choices.append, lambda _: None, lambda _: None)
    assert icon is not None
    with running(icon):
        yield icon, choices


@pytest.mark.parametrize("panel", ["light", "dark"])
def test_every_state_shows_in_its_colour(desk: Desk, panel: str):
    desk.start_panel(dark=panel == "dark")
    with shown(view(*ROWS)) as (icon, _):
        for status in Status:
            icon.show(view(*ROWS, status=status))
            desk.wait_for_icon(colour(status))
            desk.screenshot(f"panel-{panel}-{status.value}")


@pytest.mark.parametrize("panel", ["light", "dark"])
def test_the_menu_opens_under_the_mouse_and_the_clicked_row_is_chosen(desk: Desk, panel: str):
    desk.start_panel(dark=panel == "dark")
    with shown(view(*ROWS)) as (_, choices):
        menu = desk.open_menu(*desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION)))
        rows = desk.rows(menu)
        desk.screenshot(f"menu-{panel}")
        assert len(rows) == 6
        desk.click(menu.x + 40, rows[1])
        until(lambda: choices == [OpenSession(SessionKey("server", "api"))], "the choice")
        assert not desk.is_open(menu)


def test_a_row_of_a_submenu_can_be_clicked(desk: Desk):
    desk.start_panel()
    with shown(view(*ROWS)) as (_, choices):
        menu = desk.open_menu(*desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION)))
        submenu = desk.open_menu(menu.x + 60, desk.rows(menu)[2], button=1)
        desk.screenshot("submenu")
        desk.click(submenu.x + 40, desk.rows(submenu)[1])
        until(lambda: choices == [OpenSession(SessionKey("server", "reject"))], "the choice")


def test_a_left_click_goes_to_next(desk: Desk):
    desk.start_panel()
    with shown(view(*ROWS)) as (_, choices):
        desk.click(*desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION)))
        until(lambda: choices == [OpenNextSession()], "the choice")


def test_an_open_menu_takes_new_words_in_place(desk: Desk):
    desk.start_panel()
    with shown(view(go("one", "one"), go("two", "two"))) as (icon, choices):
        menu = desk.open_menu(*desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION)))
        desk.run("xdotool", "mousemove", "10", "10")
        before = until(lambda: desk.grab(menu.box), "a picture").tobytes()
        icon.show(view(go("one", "one, and more"), go("two", "two")))
        until(lambda: desk.grab(menu.box).tobytes() != before, "the new words")
        assert desk.is_open(menu)
        desk.screenshot("menu-reworded")
        desk.click(menu.x + 40, desk.rows(menu)[1])
        until(lambda: choices == [OpenSession(SessionKey("server", "one"))], "the choice")


def test_the_icon_is_back_after_the_panel_crashed(desk: Desk):
    desk.start_panel()
    yellow, blue = colour(Status.WAITING_FOR_PERMISSION), colour(Status.BUSY)
    with shown(view(*ROWS)) as (icon, choices):
        desk.wait_for_icon(yellow)
        desk.end("xfce4-panel", signal.SIGKILL)
        icon.show(view(*ROWS, status=Status.BUSY))
        desk.start_panel()
        menu = desk.open_menu(*desk.wait_for_icon(blue))
        desk.click(menu.x + 40, desk.rows(menu)[-1])
        until(lambda: choices == [Quit()], "the choice")


def test_the_icon_is_back_after_the_session_bus_crashed(desk: Desk):
    desk.start_panel()
    with shown(view(*ROWS)) as (_, choices):
        desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION))
        desk.bus.stop()
        desk.end("xfce4-panel", signal.SIGKILL)
        desk.bus.start()
        desk.start_panel()
        desk.click(*desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION)))
        until(lambda: choices == [OpenNextSession()], "the choice")


def test_stop_takes_the_icon_away(desk: Desk):
    desk.start_panel()
    yellow = colour(Status.WAITING_FOR_PERMISSION)
    with shown(view(*ROWS)) as (icon, _):
        desk.wait_for_icon(yellow)
        icon.stop()
        until(lambda: desk.find(yellow) is None, "no icon")
