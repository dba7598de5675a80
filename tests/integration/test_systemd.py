"""The unit of systemd: a real user manager starts the tray with the session, and restarts it after a crash."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import systemd
from awkward_arguments import AWKWARD, RECORD
from systemd import UserManager, user_manager
from tray.system.autostart import DesktopEntry, LinuxAutostart
from tray.system.systemd_unit import TARGET, SystemdUnit
from tray_process import Home
from waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is for Linux")

UNIT = "opencode-tray.service"


@pytest.fixture
def manager(home: Home, tmp_path: Path) -> Iterator[UserManager]:
    if missing := systemd.missing():
        pytest.skip(missing)
    home.environment["OPENCODE_TRAY_LISTENER_PORT"] = str(home.port)
    folder = tmp_path / "manager"
    folder.mkdir()
    with user_manager(folder, home.environment) as running:
        home.environment |= running.environment
        yield running


def endpoint(home: Home) -> dict[str, Any]:
    """Return what the running tray has published of itself; {} if none runs."""
    file = home.path / "data/opencode-tray/endpoint"
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found


def test_the_tray_starts_with_the_session_is_restarted_after_a_crash_and_ends_with_the_session(
    manager: UserManager, home: Home
) -> None:
    done = home.run("install", "--systemd")
    assert (done.returncode, UNIT in done.stdout) == (0, True), done.stderr
    assert "does not start graphical-session.target" in done.stdout
    assert not (home.path / "config/autostart/opencode-tray.desktop").exists()
    assert home.run("install").stdout.count("already") == 3  # the unit stays
    assert UNIT in home.run("doctor").stdout
    manager.start_session()
    first = until(lambda: endpoint(home).get("pid"), "the tray")
    os.kill(first, signal.SIGKILL)
    until(lambda: endpoint(home).get("pid") not in (first, None), "the next tray")
    manager.run("stop", "session.target")
    until(lambda: manager.run("is-failed", UNIT) == "inactive", "the end of the tray")
    assert not endpoint(home)
    assert "Removed" in home.run("uninstall").stdout
    assert not list((home.path / "config/systemd/user").rglob("opencode-tray*"))
    assert manager.run("show", "--property=LoadState", "--value", UNIT) == "not-found"


def test_a_wrong_setting_is_not_tried_again(manager: UserManager, home: Home) -> None:
    home.run("install", "--systemd")
    home.settings.parent.mkdir(parents=True, exist_ok=True)
    home.settings.write_text("listener = 1\n", encoding="utf-8")
    manager.start_session()
    until(lambda: manager.run("is-failed", UNIT) == "failed", "the end of the unit")
    shown = manager.run("show", "--property=ExecMainStatus", "--property=NRestarts", UNIT)
    assert set(shown.splitlines()) == {"ExecMainStatus=2", "NRestarts=0"}


def test_a_desktop_without_autostart_gets_a_unit_or_the_line_for_its_configuration(
    manager: UserManager, home: Home
) -> None:
    home.environment["XDG_CURRENT_DESKTOP"] = "sway"
    done = home.run("install")
    assert "add this line to its configuration: exec opencode-tray run" in done.stdout
    assert "this desktop does not read" in home.run("doctor").stdout
    manager.start_session()
    done = home.run("install")
    assert UNIT in done.stdout
    assert "configuration" not in done.stdout
    home.environment["XDG_CURRENT_DESKTOP"] = "XFCE"
    assert UNIT in home.run("install").stdout  # what was chosen stays


def test_systemd_runs_exactly_the_command_that_was_written(manager: UserManager, home: Home, tmp_path: Path) -> None:
    unit, record = SystemdUnit(home.path / "config/systemd/user"), tmp_path / "the record $HOME"
    command = [sys.executable, "-c", RECORD, str(record), *AWKWARD]
    unit.write(command)
    assert unit.read() == command
    manager.run("daemon-reload")
    manager.start_session()
    assert json.loads(until(lambda: record.exists() and record.read_text(encoding="utf-8"), "its start")) == AWKWARD


def test_at_most_one_entry_is_enabled(tmp_path: Path) -> None:
    entry, unit = DesktopEntry(tmp_path / "autostart/tray.desktop"), SystemdUnit(tmp_path / "user")

    def entries() -> LinuxAutostart:
        return LinuxAutostart(entry, unit)

    entries().write(["tray"])
    assert (entry.read(), unit.read(), entries().read()) == (["tray"], None, ["tray"])
    entries().with_unit().write(["tray"])
    assert (entry.read(), unit.read(), entries().read()) == (None, ["tray"], ["tray"])
    assert entries().place == str(unit.path)
    entry.write(["tray"])  # by other means: then `install` has to remove one
    assert entries().read() is None
    assert (entries().remove(), entries().remove()) == (True, False)
    assert not list(tmp_path.rglob("*.service"))


def test_a_unit_that_is_not_enabled_or_has_no_command_is_recognised(tmp_path: Path) -> None:
    unit = SystemdUnit(tmp_path)
    unit.write(["tray"])
    link = tmp_path / f"{TARGET}.wants" / UNIT
    unit.path.write_text(unit.path.read_text(encoding="utf-8").replace("ExecStart=", "#"), encoding="utf-8")
    assert unit.read() == []
    link.unlink()
    assert unit.read() is None
    assert unit.remove()


def test_a_unit_that_the_user_has_written_is_neither_replaced_nor_removed(tmp_path: Path) -> None:
    unit = SystemdUnit(tmp_path / "user")
    unit.path.parent.mkdir()
    unit.path.write_text("[Service]\nExecStart=opencode-tray run\n", encoding="utf-8")
    entries = LinuxAutostart(DesktopEntry(tmp_path / "tray.desktop"), unit)
    with pytest.raises(FileExistsError, match="not written by OpenCode Tray"):
        entries.with_unit().write(["tray"])
    entries.write(["tray"])
    assert (entries.remove(), entries.remove()) == (True, False)
    assert "ExecStart=opencode-tray run" in unit.path.read_text(encoding="utf-8")
    link = unit.path.parent / f"{TARGET}.wants" / UNIT
    link.parent.mkdir()
    link.symlink_to(unit.path)
    assert unit.read() == ["opencode-tray", "run"]


def test_a_failing_start_is_given_up(manager: UserManager, home: Home, tmp_path: Path) -> None:
    unit, record = SystemdUnit(home.path / "config/systemd/user"), tmp_path / "starts"
    unit.write(["/bin/sh", "-c", f"echo >> {record}; exit 1"])
    unit.path.write_text(
        unit.path.read_text(encoding="utf-8").replace("RestartSec=5", "RestartSec=0"), encoding="utf-8"
    )
    manager.run("daemon-reload")
    manager.start_session()
    until(lambda: manager.run("is-failed", UNIT) == "failed", "the end")
    assert record.read_text(encoding="utf-8") == "\n" * 5
