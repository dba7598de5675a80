"""Double clicks on a real panel, as hasty people make them: they go to one session, and they answer one request."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from desk import until
from person import Person
from test_panel import colour

from fake_programs import Programs
from tray.core.click_guard import SETTLE
from tray.core.model import Status

pytestmark = pytest.mark.desktop

APART = "450"  # ms between the clicks; desktops take 250 to 500 ms for a double click
SESSIONS = ("ses_1", "ses_2", "ses_3")
ANSWER = 4  # its row in the menu, after "Go to next", the sums, the section's name and the session
ALLOW_ONCE = 2  # in its submenu, after what is asked, in two lines
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


def double_click(person: Person, x: int, y: int) -> None:
    person.desk.run(
        "xdotool", "mousemove", str(x), str(y), "sleep", "0.15", "click", "--repeat", "2", "--delay", APART, "1"
    )


@pytest.fixture
def jobs(person: Person, tmp_path: Path) -> Callable[[], list[str]]:
    """Sessions are opened in a terminal that runs nothing and tells what it would have; these are their ids."""
    programs = Programs(tmp_path / "bin")
    programs.add("ssh")
    log, terminal = tmp_path / "jobs", programs.folder / "xterm"
    terminal.write_text(TERMINAL.format(log=log), encoding="utf-8")
    terminal.chmod(0o755)
    settings = person.home.path / "config/opencode-tray/settings.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(SETTINGS.format(terminal=terminal), encoding="utf-8")
    person.home.environment["PATH"] = f"{programs.folder}:{person.home.environment['PATH']}"
    person.restart()

    def ids() -> list[str]:
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [json.loads(line)["command"][-1] for line in lines]

    return ids


def test_a_double_click_on_the_icon_goes_to_one_session(person: Person, jobs: Callable[[], list[str]]):
    told = {"name": "APIError", "data": {"message": "Credit balance too low"}}
    with person.plugin() as plugin:
        plugin.send(fleet())
        for name in SESSIONS:
            plugin.event("session.error", sessionID=name, error=told)
            until(lambda name=name: person.home.session(name)["status"] == "error", "what was told")
        icon = person.icon(colour(Status.ERROR))
        double_click(person, *icon)
        settled = time.monotonic() + SETTLE / 1000
        assert until(jobs, "a session that was gone to") == ["ses_1"]
        until(lambda: time.monotonic() > settled, "a click that is meant")
        person.desk.click(*icon)
        assert until(lambda: found if len(found := jobs()) > 1 else None, "the next one") == ["ses_1", "ses_2"]
        assert person.home.session("ses_3")["status"] == "error"


def test_a_double_click_on_an_answer_answers_one_request(person: Person):
    """The menu closes at the first click; what lies below it takes the second."""
    asks = [
        {"id": f"per_{name}", "sessionID": name, "permission": "bash", "metadata": {"command": "ls"}, "always": []}
        for name in SESSIONS
    ]
    with person.plugin() as plugin:
        plugin.send(fleet(permissions=asks))
        icon = person.icon(colour(Status.WAITING_FOR_PERMISSION))
        menu = person.desk.open_menu(*icon)
        answers = person.desk.open_menu(menu.x + 60, person.desk.rows(menu)[ANSWER], button=1)
        double_click(person, answers.x + 60, person.desk.rows(answers)[ALLOW_ONCE])
        until(lambda: person.home.session("ses_1")["requests"][0]["sending"], "the answer")
        person.desk.open_menu(*icon)  # the panel has said all that the clicks made it say
        assert not person.home.session("ses_2")["requests"][0]["sending"]
        lines = (person.home.path / "data/opencode-tray/audit.jsonl").read_text(encoding="utf-8").splitlines()
        assert {json.loads(line)["request"] for line in lines} == {"per_ses_1"}
