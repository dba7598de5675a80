"""Double clicks on a real panel open only one session and answer only one request."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_panel import colour
from tray_with_icon import TrayWithIcon

from fake_programs import Programs
from tray.core.click_guard import SETTLE
from tray.core.sessions import Status
from waiting import until

pytestmark = pytest.mark.desktop

APART = "450"  # ms between the clicks; desktops take 250 to 500 ms for a double click
SESSIONS = ("ses_1", "ses_2", "ses_3")
ANSWER = 4  # row in the menu, after "Go to next", the counts, the section's name and the session
ALLOW_ONCE = 2  # row in its submenu, after the request's text in two lines
SETTINGS = """[attach]
terminal = "{terminal}"
[[hosts]]
name = "workstation"
ssh = "workstation.example"
"""
TERMINAL = """#!/bin/sh
for job; do :; done
cat "$job" >> {log}
echo >> {log}
rm "$job"
rmdir "$(dirname "$job")"
"""


def fleet(**more: Any) -> dict[str, Any]:
    at = int(time.time() * 1000)
    sessions = [
        {"id": name, "title": name, "directory": f"/home/dev/{name}", "time": {"created": at, "updated": at}}
        for name in SESSIONS
    ]
    return {"type": "snapshot", "sessions": sessions, "status": {}, "permissions": [], "questions": [], **more}


def double_click(tray: TrayWithIcon, x: int, y: int) -> None:
    tray.desk.click(x, y, 1, "--repeat", "2", "--delay", APART)


@pytest.fixture
def jobs(tray: TrayWithIcon, tmp_path: Path) -> Callable[[], list[str]]:
    """Install a fake terminal that records commands; return a function that lists the IDs of the opened sessions."""
    programs = Programs(tmp_path / "bin")
    programs.add("ssh")
    log, terminal = tmp_path / "jobs", programs.folder / "xterm"
    terminal.write_text(TERMINAL.format(log=log), encoding="utf-8")
    terminal.chmod(0o755)
    settings = tray.home.settings
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(SETTINGS.format(terminal=terminal), encoding="utf-8")
    tray.home.environment["PATH"] = f"{programs.folder}:{tray.home.environment['PATH']}"
    tray.restart()

    def ids() -> list[str]:
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [json.loads(line)["command"][-1] for line in lines]

    return ids


def test_a_double_click_on_the_icon_opens_one_session(tray: TrayWithIcon, jobs: Callable[[], list[str]]):
    error = {"name": "APIError", "data": {"message": "Credit balance too low"}}
    with tray.plugin() as plugin:
        plugin.send(fleet())
        for name in SESSIONS:
            plugin.event("session.error", sessionID=name, error=error)
            until(lambda name=name: tray.home.session(name)["status"] == "error", "the error")
        icon = tray.icon(colour(Status.ERROR))
        double_click(tray, *icon)
        settled = time.monotonic() + SETTLE / 1000
        assert until(jobs, "an opened session") == ["ses_1"]
        until(lambda: time.monotonic() > settled, "the end of the click guard's time")
        tray.desk.click(*icon)
        assert until(lambda: found if len(found := jobs()) > 1 else None, "the next session") == ["ses_1", "ses_2"]
        assert tray.home.session("ses_3")["status"] == "error"


def test_a_double_click_on_an_answer_answers_one_request(tray: TrayWithIcon):
    """The menu closes at the first click, so the second one goes to the window below it."""
    requests = [
        {"id": f"per_{name}", "sessionID": name, "permission": "bash", "metadata": {"command": "ls"}, "always": []}
        for name in SESSIONS
    ]
    with tray.plugin() as plugin:
        plugin.send(fleet(permissions=requests))
        icon = tray.icon(colour(Status.WAITING_FOR_PERMISSION))
        menu = tray.desk.open_menu(*icon)
        answers = tray.desk.open_menu(menu.x + 60, tray.desk.rows(menu)[ANSWER], button=1)
        double_click(tray, answers.x + 60, tray.desk.rows(answers)[ALLOW_ONCE])
        until(lambda: tray.home.session("ses_1")["requests"][0]["sending"], "the answer")
        tray.desk.open_menu(*icon)  # the panel has reported both clicks
        assert not tray.home.session("ses_2")["requests"][0]["sending"]
        lines = (tray.home.path / "data/opencode-tray/audit.jsonl").read_text(encoding="utf-8").splitlines()
        assert {json.loads(line)["request"] for line in lines} == {"per_ses_1"}
