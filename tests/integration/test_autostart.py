"""Starting at login: what is written is what the platform's own readers start."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opencode import until
from tray.system.autostart import DesktopEntry, LaunchAgent, own_command
from tray_process import Home

TELL = "import json, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(json.dumps(sys.argv[2:]))"
AWKWARD = ["plain", "two words", 'a "quote"', "$HOME", "`id`", "back\\slash", "100%", "%u", "ends\\", "é ⊘", "a'b", ";"]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def entry(home: Home) -> Path:
    return home.path / "config/autostart/opencode-tray.desktop"


@pytest.mark.skipif(sys.platform != "linux", reason="this is Linux's entry")
def test_installing_puts_everything_in_place_and_uninstalling_takes_it_out_again(home: Home, entry: Path) -> None:
    plugin = home.path / "config/opencode/plugin/opencode-tray.js"
    done = home.run("install")
    assert (done.returncode, str(plugin) in done.stdout, str(entry) in done.stdout) == (0, True, True)
    assert (plugin.exists(), DesktopEntry(entry).read()) == (True, own_command())
    assert home.run("install").stdout.count("already") == 2
    assert "the tray starts at login" in home.run("doctor").stdout
    undone = home.run("uninstall")
    assert (undone.returncode, str(plugin) in undone.stdout, str(entry) in undone.stdout) == (0, True, True)
    assert not plugin.exists()
    assert list(entry.parent.iterdir()) == []
    assert "not started at login" in home.run("uninstall").stdout


@pytest.mark.skipif(sys.platform != "linux", reason="this is Linux's entry")
def test_the_plugin_can_be_had_without_the_login(home: Home, entry: Path) -> None:
    home.run("install")
    done = home.run("install", "--no-autostart")
    assert (done.returncode, entry.exists()) == (0, False)
    assert f"Removed {entry}" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="this is Linux's entry")
def test_what_starts_a_program_that_is_gone_is_found_and_mended(home: Home, entry: Path) -> None:
    DesktopEntry(entry).write(["/nowhere/python", "-m", "tray"])
    told = {one["check"]: one for one in json.loads(home.run("doctor", "--json").stdout)}
    assert (told["autostart"]["level"], "opencode-tray install" in told["autostart"]["fix"]) == ("broken", True)
    home.run("doctor", "--fix")
    assert DesktopEntry(entry).read() == own_command()


@pytest.mark.skipif(sys.platform != "linux", reason="this is Linux's entry")
def test_an_entry_that_cannot_be_written_is_said(home: Home, entry: Path) -> None:
    entry.parent.parent.mkdir(parents=True, exist_ok=True)
    entry.parent.write_text("a file", encoding="utf-8")
    done = home.run("install")
    assert (done.returncode, str(entry) in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("gio") is None, reason="GLib's launcher is not here")
def test_the_desktop_starts_the_very_words_that_were_written(tmp_path: Path) -> None:
    made, told = DesktopEntry(tmp_path / "auto start/tray.desktop"), tmp_path / "told"
    command = [sys.executable, "-c", TELL, str(told), *AWKWARD]
    made.write(command)
    assert made.read() == command
    subprocess.run(["gio", "launch", made.path], env={**os.environ, "DISPLAY": ""}, check=True, timeout=20)
    assert json.loads(until(lambda: told.exists() and told.read_text(encoding="utf-8"), 10, "its start")) == AWKWARD


@pytest.mark.skipif(shutil.which("desktop-file-validate") is None, reason="desktop-file-utils is not here")
def test_the_entry_is_valid(tmp_path: Path) -> None:
    made = DesktopEntry(tmp_path / "tray.desktop")
    made.write([sys.executable, "-c", *AWKWARD])
    done = subprocess.run(["desktop-file-validate", made.path], capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("switch", ["Hidden=true", "X-GNOME-Autostart-enabled=false"])
def test_an_entry_that_a_person_has_switched_off_starts_nothing(tmp_path: Path, switch: str) -> None:
    made = DesktopEntry(tmp_path / "tray.desktop")
    made.write(["python"])
    made.path.write_text(f"{made.path.read_text()}{switch}\n")
    assert made.read() is None


def test_macos_is_told_the_very_words_and_what_is_no_list_starts_nothing(tmp_path: Path) -> None:
    made = LaunchAgent(tmp_path / "Library/LaunchAgents/tray.plist")
    assert made.read() is None
    made.write(AWKWARD)
    assert made.read() == AWKWARD
    told = plistlib.loads(made.path.read_bytes())
    assert (told["Label"], told["RunAtLoad"], told["KeepAlive"]) == ("opencode-tray", True, {"SuccessfulExit": False})
    for wrong in (b"no list", b"<?xml", plistlib.dumps({"Label": "x"})):
        made.path.write_bytes(wrong)
        assert made.read() == []
    assert made.remove()
    assert not made.remove()


@pytest.mark.skipif(sys.platform != "win32", reason="this is Windows's registry")
def test_windows_is_told_the_very_words() -> None:
    from tray.system.autostart import RunKey  # type: ignore[attr-defined,unused-ignore]  # noqa: PLC0415

    made = RunKey("OpenCode Tray, a test")
    try:
        made.write(["C:\\Program Files\\python.exe", "-m", "tray"])
        assert made.read() == ["C:\\Program Files\\python.exe", "-m", "tray"]
    finally:
        assert made.remove()
    assert made.read() is None
