"""A real OpenCode server, started and stopped by clicks in the menu."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import psutil
import pytest
from desk import Window, until
from person import Person
from test_app import snapshot
from test_panel import colour

from fakes import PluginThread
from opencode import NEWEST, binary
from tray.core.model import Status

pytestmark = [pytest.mark.desktop, pytest.mark.opencode]

SERVERS = -5  # its row in the menu: before Mute, Settings, Doctor and Quit
START, STOP_ALL = -2, -2  # rows of the submenu: "Clean up" comes last, and above it whichever of these there is
IDLE = colour(Status.IDLE)


def submenu(person: Person, menu: Window, row: int) -> Window:
    """Open what is behind a row of a menu."""
    return person.desk.open_menu(menu.x + 60, person.desk.rows(menu)[row], button=1)


def test_a_server_is_started_in_a_project_and_stopped_again(person: Person, tmp_path: Path) -> None:
    desk, project = person.desk, tmp_path / "project"
    project.mkdir()
    opencode = {
        "hostname": socket.gethostname(), "pid": os.getpid(), "directory": str(project), "serverName": "project",
        "serverUrl": "http://127.0.0.1:1",
    }  # fmt: skip
    person.home.environment |= {
        "PATH": f"{binary(NEWEST).parent}:{os.environ['PATH']}",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
    }
    person.restart()

    def served() -> list[str]:
        """The addresses of the servers that the tray follows in the project."""
        found = person.home.status()["servers"]
        return [told["url"] for told in found if told["source"] == "http" and told["directory"] == str(project)]

    try:
        with PluginThread(person.home.port, person.home.token, **opencode) as plugin:
            plugin.send(snapshot(status={}))
            servers = submenu(person, desk.open_menu(*person.icon(IDLE)), SERVERS)
            folders = submenu(person, servers, START)
            desk.click(folders.x + 60, desk.rows(folders)[0])
            (url,) = until(served, "the server that was started", 40)
            found = json.loads(person.home.run("serve", "list", "--json").stdout)
            (pid,) = [told["pid"] for told in found if told["url"] == url]

            servers = submenu(person, desk.open_menu(*person.icon(IDLE)), SERVERS)
            submenu(person, servers, 0)
            desk.screenshot("servers")
            for _ in ("server", "servers", "menu"):
                desk.press("Escape")
            servers = submenu(person, desk.open_menu(*person.icon(IDLE)), SERVERS)
            sure = submenu(person, servers, STOP_ALL)
            desk.click(sure.x + 60, desk.rows(sure)[0])
            until(lambda: not psutil.pid_exists(pid), "the end of the server", 20)
    finally:
        person.home.run("serve", "stop", "--all")
