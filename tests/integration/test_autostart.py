"""Autostart entries run exactly the command that was written."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from awkward_arguments import AWKWARD, RECORD
from tray.actions.install import install_autostart
from tray.system.application_entry import DesktopMenuEntry
from tray.system.autostart import DesktopEntry, LaunchAgent
from tray.system.own_program import own_command
from tray_process import Home
from waiting import until


@pytest.fixture
def entry(home: Home) -> Path:
    return home.path / "config/autostart/opencode-tray.desktop"


@pytest.mark.skipif(sys.platform != "linux", reason="the entry of Linux")
def test_install_adds_plugin_and_autostart_and_uninstall_removes_both(home: Home, entry: Path) -> None:
    plugin = home.path / "config/opencode/plugin/opencode-tray.js"
    done = home.run("install")
    assert (done.returncode, str(plugin) in done.stdout, str(entry) in done.stdout) == (0, True, True)
    assert (plugin.exists(), DesktopEntry(entry).read()) == (True, own_command("run"))
    menu = home.path / "data/applications/opencode-tray.desktop"
    assert "Exec=" in menu.read_text(encoding="utf-8")
    assert home.run("install").stdout.count("already") == 3
    assert "the tray starts at login" in home.run("doctor").stdout
    undone = home.run("uninstall")
    assert (undone.returncode, str(plugin) in undone.stdout, str(entry) in undone.stdout) == (0, True, True)
    assert (plugin.exists(), menu.exists()) == (False, False)
    assert list(entry.parent.iterdir()) == []
    assert "not started at login" in home.run("uninstall").stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the entry of Linux")
def test_uninstall_continues_after_a_file_that_it_may_not_remove(home: Home, entry: Path) -> None:
    home.run("install")
    plugin = home.path / "config/opencode/plugin/opencode-tray.js"
    plugin.write_text("export const Mine = async () => ({})", encoding="utf-8")
    folder = home.path / "data/opencode-tray"
    folder.mkdir(parents=True, exist_ok=True)
    done = home.run("uninstall")
    assert (done.returncode, plugin.exists(), entry.exists()) == (1, True, False)
    assert f"{plugin} was not written by OpenCode Tray" in done.stderr
    assert f"  {folder}  (" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the entry of Linux")
def test_install_without_autostart_removes_the_entry(home: Home, entry: Path) -> None:
    home.run("install")
    done = home.run("install", "--no-autostart")
    assert (done.returncode, entry.exists()) == (0, False)
    assert f"Removed {entry}" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the entry of Linux")
def test_doctor_fixes_an_entry_for_a_missing_program(home: Home, entry: Path) -> None:
    DesktopEntry(entry).write(["/nowhere/python", "-m", "tray"])
    findings = {finding["check"]: finding for finding in json.loads(home.run("doctor", "--json").stdout)}
    assert (findings["autostart"]["level"], "opencode-tray install" in findings["autostart"]["fix"]) == ("broken", True)
    home.run("doctor", "--fix")
    assert DesktopEntry(entry).read() == own_command("run")


@pytest.mark.skipif(sys.platform != "linux", reason="the entry of Linux")
def test_install_reports_an_entry_that_cannot_be_written(home: Home, entry: Path) -> None:
    entry.parent.parent.mkdir(parents=True, exist_ok=True)
    entry.parent.write_text("a file", encoding="utf-8")
    done = home.run("install")
    assert (done.returncode, str(entry) in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


def test_the_entry_of_a_package_counts_and_is_disabled_for_this_user_alone(tmp_path: Path) -> None:
    for_all, own = tmp_path / "xdg/autostart/tray.desktop", tmp_path / "autostart/tray.desktop"
    DesktopEntry(for_all).write(["opencode-tray", "run"])

    def entry() -> DesktopEntry:
        return DesktopEntry(own, [tmp_path / "missing", for_all.parent])

    assert entry().read() == ["opencode-tray", "run"]
    assert (entry().remove(), entry().remove()) == (True, False)
    assert (entry().read(), DesktopEntry(for_all).read()) == (None, ["opencode-tray", "run"])
    entry().write(["mine"])
    assert entry().read() == ["mine"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such entries")
def test_the_entry_of_a_package_that_starts_this_program_is_enough(tmp_path: Path) -> None:
    program, link = tmp_path / "lib/tray", tmp_path / "bin/tray"
    for path in (program, link):
        path.parent.mkdir()
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    link.symlink_to(program)
    for_all = DesktopEntry(tmp_path / "xdg/autostart/tray.desktop")
    for_all.write([str(link), "run"])
    own = tmp_path / "autostart/tray.desktop"

    def entry() -> DesktopEntry:
        return DesktopEntry(own, [for_all.path.parent])

    assert install_autostart(entry(), [str(program), "run"]) == f"The tray starts at login already: {for_all.path}"
    entry().remove()
    assert entry().place == str(own)
    assert "starts at your next login" in install_autostart(entry(), [str(program), "run"])
    assert (own.exists(), entry().read()) == (False, [str(link), "run"])
    install_autostart(entry(), [str(tmp_path / "other"), "run"])
    assert entry().read() == [str(tmp_path / "other"), "run"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such links")
def test_the_entry_of_another_environment_is_replaced(tmp_path: Path) -> None:
    """The Pythons of both are links to the same program."""
    pythons = [tmp_path / name / "bin/python" for name in ("old", "new")]
    for python in pythons:
        python.parent.mkdir(parents=True)
        python.symlink_to(sys.executable)
    old, new = ([str(python), "-I", "-m", "tray", "run"] for python in pythons)
    entry = DesktopEntry(tmp_path / "tray.desktop")
    assert "next login" in install_autostart(entry, old)
    assert "already" in install_autostart(entry, old)
    assert "next login" in install_autostart(entry, new)
    assert entry.read() == new


@pytest.mark.skipif(shutil.which("gio") is None, reason="gio is not installed")
def test_the_desktop_runs_exactly_the_command_that_was_written(tmp_path: Path) -> None:
    entry, record = DesktopEntry(tmp_path / "auto start/tray.desktop"), tmp_path / "record"
    command = [sys.executable, "-c", RECORD, str(record), *AWKWARD]
    entry.write(command)
    assert entry.read() == command
    subprocess.run(["gio", "launch", entry.path], env={**os.environ, "DISPLAY": ""}, check=True, timeout=20)
    assert json.loads(until(lambda: record.exists() and record.read_text(encoding="utf-8"), "its start", 10)) == AWKWARD


def test_the_entry_of_a_package_in_the_application_menu_is_enough(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    entry = DesktopMenuEntry(tmp_path / "own", [tmp_path / "all"], None)
    assert (entry.write(["tray"]), entry.write(["tray"]), entry.write(["other"])) == (True, False, True)
    assert (entry.remove(), entry.remove()) == (True, False)
    (tmp_path / "all/opencode-tray.desktop").touch()
    assert not DesktopMenuEntry(tmp_path / "own", [tmp_path / "all"], None).write(["tray"])
    assert not entry.path.exists()


@pytest.mark.skipif(shutil.which("desktop-file-validate") is None, reason="desktop-file-utils is not installed")
def test_the_desktop_entries_are_valid(tmp_path: Path) -> None:
    entry, in_menu = (
        DesktopEntry(tmp_path / "tray.desktop"),
        DesktopMenuEntry(tmp_path / "menu", [], tmp_path / "a.png"),
    )
    entry.write([sys.executable, "-c", *AWKWARD])
    in_menu.write([sys.executable, "-c", *AWKWARD])
    for path in (entry.path, in_menu.path):
        done = subprocess.run(["desktop-file-validate", path], capture_output=True, text=True, check=False, timeout=20)
        assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("switch", ["Hidden=true", "X-GNOME-Autostart-enabled=false"])
def test_a_disabled_desktop_entry_reads_as_none(tmp_path: Path, switch: str) -> None:
    entry = DesktopEntry(tmp_path / "tray.desktop")
    entry.write(["python"])
    entry.path.write_text(f"{entry.path.read_text()}{switch}\n")
    assert entry.read() is None


def test_a_launch_agent_keeps_the_command_and_an_invalid_one_reads_as_empty(tmp_path: Path) -> None:
    environment = {"PATH": "/opt/homebrew/bin:/usr/bin", "CODEX_HOME": "", "OPENCODE_MONITOR_TOKEN": "secret"}
    log = tmp_path / "Library/Logs/opencode-tray/launchd.log"
    entry = LaunchAgent(tmp_path / "Library/LaunchAgents/tray.plist", log, environment)
    assert entry.read() is None
    entry.write(AWKWARD)
    assert entry.read() == AWKWARD
    content = plistlib.loads(entry.path.read_bytes())
    assert (content["Label"], content["RunAtLoad"], content["KeepAlive"]) == (
        "opencode-tray",
        True,
        {"SuccessfulExit": False},
    )
    assert content["EnvironmentVariables"] == {"PATH": "/opt/homebrew/bin:/usr/bin"}
    assert (content["StandardErrorPath"], log.parent.is_dir()) == (str(log), True)
    if sys.platform != "win32":
        assert entry.path.stat().st_mode & 0o777 == 0o644
    for wrong in (b"no list", b"<?xml", plistlib.dumps({"Label": "x"})):
        entry.path.write_bytes(wrong)
        assert entry.read() == []
    assert entry.remove()
    assert not entry.remove()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no launchd")
def test_launchd_does_not_restart_a_tray_with_a_wrong_setting(home: Home) -> None:
    settings = home.path / "config/opencode-tray/settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("listener = 1\n", encoding="utf-8")
    done = home.run("run", "--headless", XPC_SERVICE_NAME="opencode-tray")
    assert (done.returncode, "listener" in done.stderr) == (0, True)
    assert home.run("run", "--headless").returncode == 2


@pytest.mark.skipif(sys.platform != "win32", reason="the registry of Windows")
def test_the_run_key_keeps_the_command() -> None:
    from tray.system.autostart import RunKey  # type: ignore[attr-defined,unused-ignore]  # noqa: PLC0415

    entry = RunKey("OpenCode Tray, a test")
    try:
        entry.write(["C:\\Program Files\\python.exe", "-m", "tray"])
        assert entry.read() == ["C:\\Program Files\\python.exe", "-m", "tray"]
    finally:
        assert entry.remove()
    assert entry.read() is None
