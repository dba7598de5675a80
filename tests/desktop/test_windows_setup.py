"""The setup program for Windows under Wine: installed, started with its icon, updated while it runs, and removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk
from test_panel import colour
from windows_desk import PREFIX, WindowsHome, WindowsTray, windows_path

from fake_desktop import PrivateBus, need
from tray import __version__
from tray.core.sessions import Status
from waiting import until

SETUP = os.environ.get("WINE_TEST_SETUP", "")  # set by packaging/wine_setup.py, which builds it

pytestmark = [
    pytest.mark.desktop,
    pytest.mark.skipif(not (SETUP and PREFIX), reason="the step `windows_setup` of packaging/check.py builds it"),
]

FOLDER = "C:\\Program Folder ü\\opencode-tray"
DRIVE = Path(PREFIX) / "drive_c"
INSTALLED = DRIVE / "Program Folder ü/opencode-tray"
COMMAND, WINDOWED = f"{FOLDER}\\opencode-tray.exe", f"{FOLDER}\\opencode-trayw.exe"
UNINSTALL_KEY = "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\opencode-tray"
RUN_KEY = "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run"


@pytest.fixture
def desk(tmp_path: Path, bus: PrivateBus) -> Iterator[Desk]:
    need("wine", "wineserver", "Xvfb", "xdotool", "xwininfo", "xsetroot", "import")
    made = Desk(tmp_path, bus)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def home(tmp_path: Path, desk: Desk) -> Iterator[WindowsHome]:
    """Return the profile in which the program is installed for this test."""
    folder = tmp_path / "profile"
    folder.mkdir()
    made = WindowsHome(folder, desk, (COMMAND,))
    install(made)
    yield made
    uninstall(made)


def install(home: WindowsHome) -> None:
    words = f"/D={FOLDER}".split(" ")  # NSIS reads the rest of the line, without quotation marks
    home.wine(windows_path(Path(SETUP)), "/S", *words)
    assert (INSTALLED / "opencode-tray.exe").exists()


def uninstall(home: WindowsHome) -> None:
    """Uninstall it if it is installed. The uninstaller goes on in a copy of itself."""
    if (INSTALLED / "uninstall.exe").exists():
        home.wine(f"{FOLDER}\\uninstall.exe", "/S")
        until(lambda: not INSTALLED.exists(), "the removal of the program", 60)


def shortcuts() -> list[Path]:
    return list(DRIVE.glob("users/*/**/Start Menu/**/OpenCode Tray.lnk"))


def test_the_program_is_installed_for_this_user_and_removed_completely(home: WindowsHome) -> None:
    assert home.run("--version").stdout.strip() == f"opencode-tray {__version__}"
    assert len(shortcuts()) == 1
    registered = home.wine("reg", "query", UNINSTALL_KEY)
    assert __version__ in registered
    assert "uninstall.exe" in registered
    assert home.run("install", "--agents", "").returncode == 0
    assert "opencode-trayw.exe" in home.wine("reg", "query", RUN_KEY)  # the path before it is in another encoding
    plugin = home.path / "config/opencode/plugin/opencode-tray.js"
    assert plugin.exists()
    uninstall(home)
    assert shortcuts() == []
    assert "opencode-tray" not in home.wine("reg", "query", UNINSTALL_KEY)
    assert "opencode-tray" not in home.wine("reg", "query", RUN_KEY)
    assert not plugin.exists()


def test_the_installed_program_shows_its_icon_and_is_updated_while_it_runs(home: WindowsHome, desk: Desk) -> None:
    tray = WindowsTray(desk, home.path, command=(COMMAND,), windowed=(WINDOWED,))
    try:
        tray.wait_until_it_listens()
        tray.icon(colour(Status.IDLE))
        assert tray.home.status()["version"] == __version__
        of_the_old_version = INSTALLED / "_internal/old.pyd"
        of_the_old_version.touch()
        install(tray.home)
        assert not of_the_old_version.exists()
        assert not tray.endpoint.exists(), "the old tray runs"
    finally:
        tray.stop()
