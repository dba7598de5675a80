"""A private bus for every test that wants one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import PROGRAMS, Desk, until
from person import Person
from place import Place

from fake_desktop import PrivateBus, environment, need
from model_server import ModelServer

if sys.platform != "linux":
    collect_ignore_glob = ["test_*.py"]  # D-Bus and X are Linux's


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[PrivateBus]:
    """A session bus that the code under test finds, and nobody else's."""
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
def person(desk: Desk, tmp_path: Path) -> Iterator[Person]:
    desk.environment["GTK_THEME"] = "Adwaita"
    folder = tmp_path / "person"
    folder.mkdir()
    desk.start_panel(dark=True)
    made = Person(desk, folder)
    yield made
    made.home.stop()


@pytest.fixture
def place(desk: Desk, tmp_path: Path) -> Iterator[Place]:
    need("openbox", "xterm", "tmux", "xclip")
    desk.spawn("openbox", ["openbox", "--sm-disable"])
    until(lambda: "_NET_SUPPORTING_WM_CHECK" in desk.run("xprop", "-root"), "the window manager")
    with ModelServer() as model:
        made = Place(desk, tmp_path, model)
        yield made
        made.opencode.kill()
        made.home.stop()
