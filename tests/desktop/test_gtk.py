"""The tray icon through GTK, if PyGObject is installed; in child processes, as GTK opens only one display."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from desk import Desk
from test_panel import colour

from tray.core.sessions import Status
from waiting import until

pytestmark = pytest.mark.desktop

GTK = "import gi; gi.require_version('Gtk', '3.0'); gi.require_version('{}', '{}')"
KINDS = {"gtk": GTK.format("Gdk", "3.0"), "appindicator": GTK.format("AyatanaAppIndicator3", "0.1")}

DEBIANS_PYTHON = "/usr/lib/python3/dist-packages"  # its PyGObject works with any Python of the same version


@pytest.mark.parametrize("kind", KINDS)
def test_icon_menu_and_shutdown_work_with_gtk(desk: Desk, kind: str):
    desk.environment["PYTHONPATH"] = os.pathsep.join([*sys.path, DEBIANS_PYTHON])
    if subprocess.run([sys.executable, "-c", KINDS[kind]], env=desk.environment, check=False).returncode:
        pytest.skip("needs PyGObject with GTK 3 for this version of Python, which pip does not install")
    desk.start_panel()
    program = desk.spawn("program", [sys.executable, str(Path(__file__).with_name("tray_program.py")), kind])
    menu = desk.open_menu(*desk.wait_for_icon(colour(Status.BUSY)))
    desk.screenshot(f"menu-{kind}")
    rows = desk.rows(menu)
    assert len(rows) == 3
    desk.click(menu.x + 40, rows[2])
    until(lambda: "session='row'" in desk.output("program"), "the command")
    menu = desk.open_menu(*desk.wait_for_icon(colour(Status.BUSY)))
    desk.click(menu.x + 40, desk.rows(menu)[0])
    until(lambda: "OpenNextSession()" in desk.output("program"), "the command")
    desk.wait_for_icon(colour(Status.ERROR))
    program.terminate()
    assert program.wait(2) == 0
    assert desk.output("program").endswith("ended\n")


def test_a_click_selects_the_row_that_was_shown_if_the_menu_was_rebuilt(desk: Desk):
    desk.environment["PYTHONPATH"] = os.pathsep.join([*sys.path, DEBIANS_PYTHON])
    if subprocess.run([sys.executable, "-c", KINDS["gtk"]], env=desk.environment, check=False).returncode:
        pytest.skip("needs PyGObject with GTK 3 for this version of Python, which pip does not install")
    desk.start_panel()
    reading, writing = os.pipe()
    command = [sys.executable, str(Path(__file__).with_name("tray_program.py")), "gtk", str(reading)]
    desk.spawn("program", command, pass_fds=(reading,))
    menu = desk.open_menu(*desk.wait_for_icon(colour(Status.BUSY)))
    rows = desk.rows(menu)
    os.write(writing, b".")
    desk.wait_for_icon(colour(Status.IDLE))
    desk.click(menu.x + 40, rows[2])
    until(lambda: "session=" in desk.output("program"), "the command")
    assert "session='row'" in desk.output("program")
    os.close(reading)
    os.close(writing)
