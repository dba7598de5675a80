"""The tray icon in an older tray, which is made of X windows and knows no D-Bus."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from desk import Desk, until
from test_panel import ROWS, colour, view
from Xlib.protocol.display import Display

from fake_desktop import PATIENCE, PrivateBus, environment, need, running
from tray.core.commands import Command, OpenNextSession
from tray.core.model import Status
from tray.surfaces.backends.open_icon import open_tray_icon
from tray.surfaces.backends.pystray_icon import PystrayIcon
from tray.surfaces.backends.tray_icon import TrayUnavailable
from tray.surfaces.menu.view import TrayView

pytestmark = pytest.mark.desktop


def test_the_icon_follows_its_state_and_a_left_click_goes_to_next(desk: Desk):
    need("trayer")
    desk.start_xembed_tray()
    choices: list[Command] = []
    icon = PystrayIcon("xorg", "opencode-tray", view(*ROWS), choices.append)
    assert not icon.has_menu
    with running(icon):
        desk.click(*desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION)))
        until(lambda: choices == [OpenNextSession()], "the choice")
        icon.show(TrayView(view(status=Status.BUSY).icon, "日本語 עברית 💣 \ud800", view().menu))
        desk.wait_for_icon(colour(Status.BUSY))
        desk.screenshot("xembed")


def test_a_click_that_comes_while_the_icon_is_sent_is_not_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    """python-xlib reads what has come when it sends; who then waits for the socket waits for ever."""
    need("trayer")
    send, sending = Display.flush, threading.Event()

    def send_slowly(display: Display) -> None:
        sending.set()
        time.sleep(0.5)
        send(display)

    desk.start_xembed_tray()
    choices: list[Command] = []
    icon = PystrayIcon("xorg", "opencode-tray", view(*ROWS), choices.append)
    with running(icon):
        place = desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION))
        monkeypatch.setattr(Display, "flush", send_slowly)
        icon.show(view(*ROWS))
        assert sending.wait(PATIENCE)
        desk.click(*place)
        until(lambda: choices == [OpenNextSession()], "the choice")


def test_the_icon_docks_to_a_tray_that_comes_late_and_to_one_that_restarts(desk: Desk):
    need("trayer")
    icon = PystrayIcon("xorg", "opencode-tray", view(*ROWS), lambda _: None)
    with running(icon):
        for how in (signal.SIGTERM, signal.SIGKILL):
            desk.start_xembed_tray()
            desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION))
            desk.end("trayer", how)
            until(lambda: desk.find(colour(Status.WAITING_FOR_PERMISSION)) is None, "no icon")


def test_an_older_tray_gets_the_icon_where_no_panel_of_the_newer_kind_is(desk: Desk):
    need("trayer")
    desk.start_xembed_tray()
    icon = open_tray_icon("opencode-tray", "OpenCode Tray", view(*ROWS), lambda _: None, lambda _: None, lambda _: None)
    assert icon is not None
    with running(icon):
        desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION))
        icon.show(view(status=Status.ERROR))
        desk.wait_for_icon(colour(Status.ERROR))


def test_without_a_screen_there_is_no_icon(bus: PrivateBus):
    with environment(DISPLAY=None, WAYLAND_DISPLAY=None):
        assert (
            open_tray_icon("opencode-tray", "OpenCode Tray", view(), lambda _: None, lambda _: None, lambda _: None)
            is None
        )
        with pytest.raises(TrayUnavailable):
            PystrayIcon("xorg", "opencode-tray", view(), lambda _: None).run()


def test_with_neither_bus_nor_screen_that_answers_the_icon_is_unavailable():
    with environment(DISPLAY="nonsense", WAYLAND_DISPLAY=None, DBUS_SESSION_BUS_ADDRESS="unix:path=/nowhere"):
        icon = open_tray_icon("opencode-tray", "OpenCode Tray", view(), lambda _: None, lambda _: None, lambda _: None)
        assert icon is not None
        with pytest.raises(TrayUnavailable):
            icon.run()
