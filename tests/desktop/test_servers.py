"""A real OpenCode server, started and stopped by clicks in the menu."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import psutil
import pytest
from desk import Window
from test_app import snapshot
from test_panel import colour
from tray_with_icon import TrayWithIcon

from fakes import PluginThread
from opencode import NEWEST, binary
from tray.core.sessions import Status
from waiting import until

pytestmark = [pytest.mark.desktop, pytest.mark.opencode]

SERVERS = -8  # row in the menu, before Mute, Open dashboard, Phone, Settings, Doctor, About and Quit
START, STOP_ALL = -2, -2  # rows of the submenu, above "Clean up"; only one of them is shown
IDLE = colour(Status.IDLE)


def submenu(tray: TrayWithIcon, menu: Window, row: int) -> Window:
    """Open the submenu of a row."""
    return tray.desk.open_menu(menu.x + 60, tray.desk.rows(menu)[row], button=1)


def test_a_server_is_started_in_a_project_and_stopped_again(tray: TrayWithIcon, tmp_path: Path) -> None:
    desk, project = tray.desk, tmp_path / "project"
    project.mkdir()
    opencode = {
        "hostname": socket.gethostname(), "pid": os.getpid(), "directory": str(project), "serverName": "project",
        "serverUrl": "http://127.0.0.1:1",
    }  # fmt: skip
    tray.home.environment |= {
        "PATH": f"{binary(NEWEST).parent}:{os.environ['PATH']}",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
    }
    tray.restart()

    def served() -> list[str]:
        """Return the URLs of the servers that the tray follows in the project."""
        found = tray.home.status()["servers"]
        return [server["url"] for server in found if server["source"] == "http" and server["directory"] == str(project)]

    try:
        with PluginThread(tray.home.port, tray.home.token, **opencode) as plugin:
            plugin.send(snapshot(status={}))
            servers = submenu(tray, desk.open_menu(*tray.icon(IDLE)), SERVERS)
            folders = submenu(tray, servers, START)
            desk.click(folders.x + 60, desk.rows(folders)[0])
            (url,) = until(served, "the server that was started", 40)
            found = json.loads(tray.home.run("serve", "list", "--json").stdout)
            (pid,) = [server["pid"] for server in found if server["url"] == url]

            servers = submenu(tray, desk.open_menu(*tray.icon(IDLE)), SERVERS)
            submenu(tray, servers, 0)
            desk.screenshot("servers")
            for _ in ("server", "servers", "menu"):
                desk.press("Escape")
            servers = submenu(tray, desk.open_menu(*tray.icon(IDLE)), SERVERS)
            sure = submenu(tray, servers, STOP_ALL)
            desk.click(sure.x + 60, desk.rows(sure)[0])
            until(lambda: not psutil.pid_exists(pid), "the end of the server", 20)
    finally:
        tray.home.run("serve", "stop", "--all")
