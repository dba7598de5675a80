"""Fixtures: a private session bus, a private desktop, and the program running on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import PROGRAMS, Desk
from tray_with_icon import TrayWithIcon
from workspace import Workspace

from fake_desktop import PrivateBus, environment, need
from model_server import ModelServer
from waiting import until

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]  # D-Bus and X are Linux's


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[PrivateBus]:
    """Start a session bus that the code under test connects to."""
    need("dbus-daemon")
    private = PrivateBus(tmp_path)
    private.start()
    with environment(DBUS_SESSION_BUS_ADDRESS=private.address):
        yield private
    private.stop()


@pytest.fixture
def desk(tmp_path: Path, bus: PrivateBus) -> Iterator[Desk]:
    need(*PROGRAMS)
    desk = Desk(tmp_path, bus)
    desk.start()
    names = ("DISPLAY", "HOME", "XDG_RUNTIME_DIR", "TMPDIR")
    with environment(WAYLAND_DISPLAY=None, **{name: desk.environment[name] for name in names}):
        yield desk
    desk.stop()


@pytest.fixture
def tray(desk: Desk, tmp_path: Path) -> Iterator[TrayWithIcon]:
    desk.environment["GTK_THEME"] = "Adwaita"
    folder = tmp_path / "tray"
    folder.mkdir()
    desk.start_panel(dark=True)
    made = TrayWithIcon(desk, folder)
    yield made
    made.home.stop()


@pytest.fixture
def workspace(desk: Desk, tmp_path: Path) -> Iterator[Workspace]:
    need("openbox", "xterm", "tmux", "xclip")
    desk.spawn("openbox", ["openbox", "--sm-disable"])
    until(lambda: "_NET_SUPPORTING_WM_CHECK" in desk.run("xprop", "-root"), "the window manager")
    with ModelServer() as model:
        made = Workspace(desk, tmp_path, model)
        yield made
        made.opencode.kill()
        made.home.stop()
