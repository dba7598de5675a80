"""The tray icon through GTK, where PyGObject is; each in its own process, as GTK opens one screen only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from desk import Desk, until
from test_panel import colour

from tray.core.model import Status

pytestmark = pytest.mark.desktop

GTK = "import gi; gi.require_version('Gtk', '3.0'); gi.require_version('{}', '{}')"
KINDS = {"gtk": GTK.format("Gdk", "3.0"), "appindicator": GTK.format("AyatanaAppIndicator3", "0.1")}

DEBIANS_PYTHON = "/usr/lib/python3/dist-packages"  # its PyGObject works in any Python of the same version


@pytest.mark.parametrize("kind", KINDS)
def test_the_icon_its_menu_and_its_end(desk: Desk, kind: str):
    desk.environment["PYTHONPATH"] = os.pathsep.join([*sys.path, DEBIANS_PYTHON])
    if subprocess.run([sys.executable, "-c", KINDS[kind]], env=desk.environment, check=False).returncode:
        pytest.skip("needs PyGObject with GTK 3 for this version of Python, which pip does not bring")
    desk.start_panel()
    program = desk.spawn("program", [sys.executable, str(Path(__file__).with_name("tray_program.py")), kind])
    menu = desk.open_menu(*desk.wait_for_icon(colour(Status.BUSY)))
    desk.screenshot(f"menu-{kind}")
    rows = desk.rows(menu)
    assert len(rows) == 3
    desk.click(menu.x + 40, rows[2])
    until(lambda: "session='row'" in desk.written("program"), "the choice")
    menu = desk.open_menu(*desk.wait_for_icon(colour(Status.BUSY)))
    desk.click(menu.x + 40, desk.rows(menu)[0])
    until(lambda: "OpenNextSession()" in desk.written("program"), "the choice")
    desk.wait_for_icon(colour(Status.ERROR))
    program.terminate()
    assert program.wait(2) == 0
    assert desk.written("program").endswith("ended\n")


def test_a_click_chooses_the_row_that_was_seen_though_the_menu_was_made_anew_meanwhile(desk: Desk):
    desk.environment["PYTHONPATH"] = os.pathsep.join([*sys.path, DEBIANS_PYTHON])
    if subprocess.run([sys.executable, "-c", KINDS["gtk"]], env=desk.environment, check=False).returncode:
        pytest.skip("needs PyGObject with GTK 3 for this version of Python, which pip does not bring")
    desk.start_panel()
    told, tell = os.pipe()
    command = [sys.executable, str(Path(__file__).with_name("tray_program.py")), "gtk", str(told)]
    desk.spawn("program", command, pass_fds=(told,))
    menu = desk.open_menu(*desk.wait_for_icon(colour(Status.BUSY)))
    rows = desk.rows(menu)
    os.write(tell, b".")
    desk.wait_for_icon(colour(Status.IDLE))
    desk.click(menu.x + 40, rows[2])
    until(lambda: "session=" in desk.written("program"), "the choice")
    assert "session='row'" in desk.written("program")
    os.close(told)
    os.close(tell)
