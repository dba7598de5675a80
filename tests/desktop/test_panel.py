"""The tray icon on a real panel: its colours, menu and clicks."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from desk import Colour, Desk
from msgspec.structs import replace

from fake_desktop import running
from tray.core.commands import CloseWays, Command, OpenNextSession, OpenSession, Quit
from tray.core.phone_ways import Exposure, Way
from tray.core.sessions import SessionKey, Status
from tray.surfaces.backends.open_icon import open_tray_icon
from tray.surfaces.backends.tray_icon import TrayIcon
from tray.surfaces.icon import draw
from tray.surfaces.menu.items import Item, Separator
from tray.surfaces.menu.phone_menu import exposure_entry
from tray.surfaces.menu.view import IconView, TrayView
from waiting import until

pytestmark = pytest.mark.desktop

DOT: Colour = (224, 62, 62)


def colour(status: Status) -> Colour:
    """Return the most frequent colour of the icon of a state."""
    picture = draw(IconView(status), 24)
    colours = picture.getcolors(1 << 20) or []
    red, green, blue = max((times, pixel) for times, pixel in colours if pixel[3] == 255)[1][:3]
    return red, green, blue


def session_row(name: str, label: str) -> Item:
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
    session_row("api", "! api · Fix the login — bash: rm -rf build · 4m"),
    Item("answer", "    Answer", children=(session_row("once", "Allow once"), session_row("reject", "Reject"))),
    session_row("web", "◐ web · snake_case & <b>bold</b> 日本語 עברית 💣"),
    Item("mute", "Muted until tomorrow", Quit(), checked=True),
)


@contextmanager
def shown(first: TrayView) -> Iterator[tuple[TrayIcon, list[Command]]]:
    commands: list[Command] = []
    icon = open_tray_icon("opencode-tray", "OpenCode Tray", first, commands.append, lambda _: None, lambda _: None)
    assert icon is not None
    with running(icon):
        yield icon, commands


@pytest.mark.parametrize("panel", ["light", "dark"])
def test_every_state_is_shown_in_its_colour(desk: Desk, panel: str):
    desk.start_panel(dark=panel == "dark")
    with shown(view(*ROWS)) as (icon, _):
        for status in Status:
            icon.show(view(*ROWS, status=status))
            desk.wait_for_icon(colour(status))
            desk.screenshot(f"panel-{panel}-{status.value}")


@pytest.mark.parametrize("panel", ["light", "dark"])
def test_an_exposed_page_is_a_red_dot_on_the_icon_and_the_first_row_of_the_menu(desk: Desk, panel: str):
    desk.start_panel(dark=panel == "dark")
    exposed = exposure_entry(Exposure("https://quiet-river-sometimes.trycloudflare.com", 0, "22:15"))
    usual = view(*ROWS, status=Status.COMPLETED)
    marked = replace(usual, icon=replace(usual.icon, exposed=True), menu=(exposed, *usual.menu))
    with shown(usual) as (icon, commands):
        desk.wait_for_icon(colour(Status.COMPLETED))
        assert desk.find(DOT) is None
        icon.show(marked)
        menu = desk.open_menu(*desk.wait_for_icon(DOT))
        desk.screenshot(f"panel-{panel}-exposed")
        submenu = desk.open_menu(menu.x + 60, desk.rows(menu)[0], button=1)
        desk.screenshot(f"panel-{panel}-exposed-menu")
        desk.click(submenu.x + 30, desk.rows(submenu)[0])
        until(lambda: commands == [CloseWays(Way.TUNNEL)], "the command")


@pytest.mark.parametrize("panel", ["light", "dark"])
def test_the_menu_opens_and_runs_the_command_of_the_clicked_row(desk: Desk, panel: str):
    desk.start_panel(dark=panel == "dark")
    with shown(view(*ROWS)) as (_, commands):
        menu = desk.open_menu(*desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION)))
        rows = desk.rows(menu)
        desk.screenshot(f"menu-{panel}")
        assert len(rows) == 6
        desk.click(menu.x + 40, rows[1])
        until(lambda: commands == [OpenSession(SessionKey("server", "api"))], "the command")
        assert not desk.is_open(menu)


def test_a_row_of_a_submenu_can_be_clicked(desk: Desk):
    desk.start_panel()
    with shown(view(*ROWS)) as (_, commands):
        menu = desk.open_menu(*desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION)))
        submenu = desk.open_menu(menu.x + 60, desk.rows(menu)[2], button=1)
        desk.screenshot("submenu")
        desk.click(submenu.x + 40, desk.rows(submenu)[1])
        until(lambda: commands == [OpenSession(SessionKey("server", "reject"))], "the command")


def test_a_left_click_opens_the_next_session(desk: Desk):
    desk.start_panel()
    with shown(view(*ROWS)) as (_, commands):
        desk.click(*desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION)))
        until(lambda: commands == [OpenNextSession()], "the command")


def test_an_open_menu_updates_its_labels_in_place(desk: Desk):
    desk.start_panel()
    with shown(view(session_row("one", "one"), session_row("two", "two"))) as (icon, commands):
        menu = desk.open_menu(*desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION)))
        desk.run("xdotool", "mousemove", "10", "10")
        before = desk.grab(menu.box).tobytes()
        icon.show(view(session_row("one", "one, and more"), session_row("two", "two")))
        until(lambda: desk.grab(menu.box).tobytes() != before, "the new label")
        assert desk.is_open(menu)
        desk.screenshot("menu-updated")
        desk.click(menu.x + 40, desk.rows(menu)[1])
        until(lambda: commands == [OpenSession(SessionKey("server", "one"))], "the command")


@pytest.mark.fault
def test_the_icon_returns_after_a_panel_crash(desk: Desk):
    desk.start_panel()
    yellow, blue = colour(Status.WAITING_FOR_PERMISSION), colour(Status.BUSY)
    with shown(view(*ROWS)) as (icon, commands):
        desk.wait_for_icon(yellow)
        desk.end("xfce4-panel", signal.SIGKILL)
        icon.show(view(*ROWS, status=Status.BUSY))
        desk.start_panel()
        menu = desk.open_menu(*desk.wait_for_icon(blue))
        desk.click(menu.x + 40, desk.rows(menu)[-1])
        until(lambda: commands == [Quit()], "the command")


@pytest.mark.fault
def test_the_icon_returns_after_a_session_bus_crash(desk: Desk):
    desk.start_panel()
    with shown(view(*ROWS)) as (_, commands):
        desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION))
        desk.bus.stop()
        desk.end("xfce4-panel", signal.SIGKILL)
        desk.bus.start()
        desk.start_panel()
        desk.click(*desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION)))
        until(lambda: commands == [OpenNextSession()], "the command")


def test_stop_removes_the_icon(desk: Desk):
    desk.start_panel()
    yellow = colour(Status.WAITING_FOR_PERMISSION)
    with shown(view(*ROWS)) as (icon, _):
        desk.wait_for_icon(yellow)
        icon.stop()
        until(lambda: desk.find(yellow) is None, "the removal of the icon")
