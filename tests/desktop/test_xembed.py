"""The tray icon in an XEmbed tray, which has no D-Bus interface."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import closing

import pytest
from desk import Desk
from fake_xembed_tray import FakeXembedTray
from test_panel import ROWS, colour, view
from Xlib.display import Display as XDisplay
from Xlib.protocol.display import Display

from fake_desktop import environment, need, running
from tray.core.commands import Command, OpenNextSession
from tray.core.sessions import Status
from tray.surfaces.backends.open_icon import open_tray_icon
from tray.surfaces.backends.pystray_icon import PystrayIcon
from tray.surfaces.backends.tray_icon import TrayUnavailable
from tray.surfaces.menu.view import TrayView
from waiting import DEADLINE, until

pytestmark = pytest.mark.desktop


def test_the_xembed_icon_shows_its_state_and_a_left_click_opens_the_next_session(desk: Desk):
    need("trayer")
    desk.start_xembed_tray()
    commands: list[Command] = []
    icon = PystrayIcon("xorg", "opencode-tray", view(*ROWS), commands.append)
    assert not icon.has_menu
    with running(icon):
        desk.click(*desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION)))
        until(lambda: commands == [OpenNextSession()], "the command")
        icon.show(TrayView(view(status=Status.BUSY).icon, "日本語 עברית 💣 \ud800", view().menu))
        desk.wait_for_icon(colour(Status.BUSY))
        desk.screenshot("xembed")


def test_a_click_during_an_icon_update_is_not_lost(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    """python-xlib also reads pending events when it sends; waiting for the socket afterwards would block for ever."""
    need("trayer")
    flush, sending = Display.flush, threading.Event()

    def flush_slowly(display: Display) -> None:
        sending.set()
        time.sleep(0.5)
        flush(display)

    desk.start_xembed_tray()
    commands: list[Command] = []
    icon = PystrayIcon("xorg", "opencode-tray", view(*ROWS), commands.append)
    with running(icon):
        position = desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION))
        monkeypatch.setattr(Display, "flush", flush_slowly)
        icon.show(view(*ROWS))
        assert sending.wait(DEADLINE)
        desk.click(*position)
        until(lambda: commands == [OpenNextSession()], "the command")


def test_the_icon_docks_to_a_late_and_to_a_restarted_tray(desk: Desk):
    need("trayer")
    icon = PystrayIcon("xorg", "opencode-tray", view(*ROWS), lambda _: None)
    with running(icon):
        for how in (signal.SIGTERM, signal.SIGKILL):
            desk.start_xembed_tray()
            desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION))
            desk.end("trayer", how)
            until(lambda: desk.find(colour(Status.WAITING_FOR_PERMISSION)) is None, "the removal of the icon")


def test_the_icon_docks_once_to_a_tray_that_it_finds_before_the_tray_announces_itself(desk: Desk):
    """trayer unmaps an icon that sends a second dock request."""
    commands: list[Command] = []
    with closing(FakeXembedTray(desk.display)) as xembed_tray:
        with running(PystrayIcon("xorg", "opencode-tray", view(*ROWS), commands.append)):
            icon = xembed_tray.wait_for_icon()
            xembed_tray.announce()
            xembed_tray.click(icon)  # is received after the announcement
            until(lambda: commands == [OpenNextSession()], "the command")
        assert xembed_tray.dock_requests() == [icon]


def test_the_icon_docks_to_the_tray_that_follows_one_that_ended_before_the_icon_docked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    first, ended = FakeXembedTray(desk.display), threading.Event()
    find = XDisplay.get_selection_owner

    def find_and_end(x_display: XDisplay, selection: int) -> object:
        owner = find(x_display, selection)
        if not ended.is_set():
            first.close()
            ended.set()
        return owner

    monkeypatch.setattr(XDisplay, "get_selection_owner", find_and_end)
    with running(PystrayIcon("xorg", "opencode-tray", view(*ROWS), lambda _: None)):
        assert ended.wait(DEADLINE)
        with closing(FakeXembedTray(desk.display)) as second:
            assert second.window.id == first.window.id  # X gives the number to the next client
            second.announce()
            second.wait_for_icon()


def test_xembed_is_used_where_no_status_notifier_panel_runs(desk: Desk):
    need("trayer")
    desk.start_xembed_tray()
    icon = open_tray_icon("opencode-tray", "OpenCode Tray", view(*ROWS), lambda _: None, lambda _: None, lambda _: None)
    assert icon is not None
    with running(icon):
        desk.wait_for_icon(colour(Status.WAITING_FOR_PERMISSION))
        icon.show(view(status=Status.ERROR))
        desk.wait_for_icon(colour(Status.ERROR))


def test_without_a_display_and_a_bus_there_is_no_icon():
    with environment(DISPLAY=None, WAYLAND_DISPLAY=None, DBUS_SESSION_BUS_ADDRESS="unix:path=/nowhere"):
        assert (
            open_tray_icon("opencode-tray", "OpenCode Tray", view(), lambda _: None, lambda _: None, lambda _: None)
            is None
        )
        with pytest.raises(TrayUnavailable):
            PystrayIcon("xorg", "opencode-tray", view(), lambda _: None).run()


def test_without_a_working_bus_or_display_the_icon_is_unavailable():
    with environment(DISPLAY="nonsense", WAYLAND_DISPLAY=None, DBUS_SESSION_BUS_ADDRESS="unix:path=/nowhere"):
        icon = open_tray_icon("opencode-tray", "OpenCode Tray", view(), lambda _: None, lambda _: None, lambda _: None)
        assert icon is not None
        with pytest.raises(TrayUnavailable):
            icon.run()
