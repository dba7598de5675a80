"""Windows: a tray without a console, files that another process has open, awkward paths, and the start at login."""

from __future__ import annotations

import importlib
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fakes import PluginThread
from real_windows import only_windows, only_wine, open_wine_desktop
from running_app import ASK, SES, SNAPSHOT
from tray.cli.log_file import LogFile
from tray.files import retrying
from tray.files.reading import read_regular
from tray.files.retrying import RETRY_INTERVAL
from tray.files.writing import write_privately
from tray.system.autostart import autostart
from tray.system.own_program import own_command_without_console
from tray_process import Home
from waiting import until

pytestmark = only_windows

AWKWARD = "Zoë Müller & Söhne 100% (2)^"
HOLD = "import sys, time; file = open(sys.argv[1], 'rb'); print('open', flush=True); time.sleep(float(sys.argv[2]))"


def console_free(home: Home) -> Home:
    """Make the commands of this home run with pythonw.exe: no console, and no standard streams."""
    home.program = own_command_without_console()
    return home


def endpoint(home: Home) -> dict[str, object]:
    path = home.path / "data/opencode-tray/endpoint"
    until(path.exists, "a tray that listens")
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_a_tray_started_at_login_has_no_console_and_runs_until_it_is_stopped(home: Home) -> None:
    command = own_command_without_console("run")
    assert Path(command[0]).name == "pythonw.exe"
    process = subprocess.Popen(
        [*command, "--headless", "--port", str(home.port)],
        env=home.environment,
        cwd=home.path,
        creationflags=subprocess.DETACHED_PROCESS,  # type: ignore[attr-defined,unused-ignore]
    )
    try:
        assert endpoint(home) == {"host": "127.0.0.1", "port": home.port, "pid": process.pid}
        with PluginThread(home.port, home.token) as plugin:
            plugin.send(SNAPSHOT)
            until(lambda: home.session(SES), "the session")
        second = subprocess.run([*command, "--headless"], env=home.environment, cwd=home.path, timeout=30, check=False)
        assert second.returncode == 0
        assert process.poll() is None
        assert home.run("stop").returncode == 0
        assert process.wait(10) == 0
        assert "Traceback" not in home.log.read_text(encoding="utf-8")
    finally:
        process.kill()
        process.wait(10)


def test_a_port_in_use_ends_a_tray_without_console_with_exit_code_3(home: Home, tmp_path: Path) -> None:
    home.tray()
    (tmp_path / "other").mkdir()
    other = console_free(Home(tmp_path / "other"))
    assert other.run("run", "--headless", "--port", str(home.port)).returncode == 3


def test_a_file_is_replaced_once_another_process_has_closed_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    write_privately(path, "old")
    command = [sys.executable, "-c", HOLD, str(path), str(4 * RETRY_INTERVAL)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        write_privately(path, "new")
        assert reader.wait(10) == 0
    assert path.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_another_program_uses_for_a_moment_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that is being renamed."""
    winapi: Any = importlib.import_module("_winapi")
    path = tmp_path / "token"
    path.write_text("text")
    unshared = winapi.CreateFile(str(path), winapi.GENERIC_READ, 0, 0, winapi.OPEN_EXISTING, 0, 0)
    with pytest.raises(PermissionError):
        path.read_bytes()
    monkeypatch.setattr(retrying.time, "sleep", lambda _: winapi.CloseHandle(unshared))
    assert read_regular(path) == b"text"


def test_a_file_that_stays_open_is_kept_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "token"
    write_privately(path, "old")
    with path.open("rb"), pytest.raises(PermissionError):
        write_privately(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_profile_folder_with_spaces_umlauts_and_signs_of_the_shell_works(tmp_path: Path) -> None:
    folder = tmp_path / AWKWARD
    folder.mkdir()
    home = Home(folder)
    home.settings.parent.mkdir(parents=True)
    home.settings.write_text("[icon]\ncount = false\n", encoding="utf-8")
    try:
        home.tray("--no-notify")
        session = {**SNAPSHOT["sessions"][0], "directory": f"C:\\Users\\{AWKWARD}\\R&D"}
        with PluginThread(home.port, home.token) as plugin:
            plugin.send({**SNAPSHOT, "sessions": [session]})
            plugin.event("permission.asked", **ASK)
            found = until(lambda: home.session(SES), "the session")
            assert found["directory"] == session["directory"]
        installed = home.run("install-plugin")
        assert installed.returncode == 0
        assert (folder / "config/opencode/plugin/opencode-tray.js").exists()
        assert home.run("stop").returncode == 0
    finally:
        home.stop()


@only_wine
def test_install_starts_the_tray_at_login_and_from_the_start_menu_and_uninstall_undoes_it(home: Home) -> None:
    from tray.system.start_menu import FOLDER, Shortcut  # type: ignore[attr-defined,unused-ignore]  # noqa: PLC0415

    open_wine_desktop()
    entry, shortcut = autostart(), Shortcut(home.path / "roaming" / FOLDER)
    program, *arguments = own_command_without_console("run")
    assert (entry.read(), shortcut.read()) == (None, None)
    try:
        done = home.run("install")
        assert (done.returncode, entry.place in done.stdout) == (0, True), done.stderr
        assert entry.read() == own_command_without_console("run")
        assert str(shortcut.path) in done.stdout
        assert shortcut.read() == (program, subprocess.list2cmdline(arguments))
        assert home.run("install").stdout.count("already") == 3
        findings = {finding["check"]: finding for finding in json.loads(home.run("doctor", "--json").stdout)}
        assert findings["autostart"]["level"] == "ok"
        undone = home.run("uninstall")
        assert (undone.returncode, entry.place in undone.stdout) == (0, True), undone.stderr
        assert str(shortcut.path) in undone.stdout
        assert (entry.read(), shortcut.read()) == (None, None)
    finally:
        entry.remove()


def test_a_shortcut_keeps_the_command_and_replaces_a_file_that_is_none(tmp_path: Path) -> None:
    from tray.system.start_menu import Shortcut  # type: ignore[attr-defined,unused-ignore]  # noqa: PLC0415

    shortcut = Shortcut(tmp_path / AWKWARD)
    assert (shortcut.read(), shortcut.remove()) == (None, False)
    assert shortcut.write([sys.executable, "two words", "Zoë"])
    assert not shortcut.write([sys.executable, "two words", "Zoë"])
    assert shortcut.read() == (sys.executable, '"two words" Zoë')
    assert Path(shortcut.icon()).read_bytes().startswith(b"\0\0\1\0")  # an .ico file
    shortcut.path.write_text("no shortcut", encoding="utf-8")
    assert shortcut.write([sys.executable])
    assert shortcut.read() == (sys.executable, "")
    assert shortcut.remove()


def test_no_line_and_no_old_log_is_lost_while_another_process_has_the_log_open(tmp_path: Path) -> None:
    path, old = tmp_path / "tray.log", tmp_path / "tray.log.1"
    old.write_text("old", encoding="utf-8")
    handler = LogFile(path, maxBytes=100, backupCount=2, encoding="utf-8")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path), "60"], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        for number in range(20):
            handler.handle(logging.makeLogRecord({"msg": f"line {number} of the log"}))
        other.kill()
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines == [f"line {number} of the log" for number in range(20)]
    assert old.read_text(encoding="utf-8") == "old"
    handler.handle(logging.makeLogRecord({"msg": "the next line"}))
    handler.close()
    assert path.read_text(encoding="utf-8").splitlines() == ["the next line"]
    assert old.read_text(encoding="utf-8").splitlines() == lines
