"""Requests of the real OpenCode, answered in the menu, by a button of a notification, or in the terminal UI."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import Window
from test_panel import colour
from tray_with_icon import TrayWithIcon

from fake_desktop import need
from model_server import ModelServer
from opencode import LAST_YEAR, NEWEST, OpenCode
from tray.core.sessions import Status
from tray.surfaces.toast_guard import APPEARED_PAUSE
from waiting import until

pytestmark = [pytest.mark.desktop, pytest.mark.opencode]

WAITING, DONE = colour(Status.WAITING_FOR_PERMISSION), colour(Status.COMPLETED)
ANSWER = 4  # row in the menu, after "Go to next", the counts, the section's name and the session
BASH = [["bash", {"command": "echo hi", "description": "say hi"}]]
COLOUR = {
    "question": "Which colour?",
    "header": "Colour",
    "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}],
}


class OpenCodeOnDesktop:
    """A tray with its icon, and a real OpenCode that reports to it."""

    def __init__(self, tray: TrayWithIcon, opencode: OpenCode, model: ModelServer) -> None:
        self.tray = tray
        self.model = model
        self.desk = tray.desk
        self.opencode = opencode

    def ask(self, script: dict[str, Any]) -> str:
        """Start a session that makes a request; return its ID once the icon shows that it waits."""
        session = self.opencode.session()
        self.opencode.prompt(session, script)
        self.tray.icon(WAITING)
        return session

    def open_answers(self) -> Window:
        """Open the submenu with the answers to the first pending request."""
        menu = self.desk.open_menu(*self.tray.icon(WAITING))
        return self.desk.open_menu(menu.x + 60, self.desk.rows(menu)[ANSWER], button=1)

    def results(self) -> list[tuple[str, str, str]]:
        """Return surface, answer and result of each line of the audit log."""
        text = (self.tray.home.path / "data/opencode-tray/audit.jsonl").read_text(encoding="utf-8")
        entries = [json.loads(line) for line in text.splitlines()]
        return [(entry["surface"], entry["answer"], entry["result"]) for entry in entries]


@pytest.fixture
def app(request: pytest.FixtureRequest, tray: TrayWithIcon, tmp_path: Path) -> Iterator[OpenCodeOnDesktop]:
    """Start `opencode serve` of the newest version, or of the version in the test's parameter."""
    version = getattr(request, "param", NEWEST)
    settings = tray.home.settings
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("[notifications]\nfinished = false\n", encoding="utf-8")
    tray.restart()
    environment = {
        "OPENCODE_MONITOR_PORT": str(tray.home.port),
        "OPENCODE_TRAY_TOKEN_FILE": str(tray.home.path / "data/opencode-tray/token"),
    }
    with ModelServer() as model, OpenCode(version, tmp_path / "opencode", model.port, environment) as opencode:
        opencode.serve()
        yield OpenCodeOnDesktop(tray, opencode, model)


@pytest.mark.parametrize("app", [NEWEST, LAST_YEAR], indirect=True)
def test_a_click_in_the_menu_allows_a_permission_and_the_agent_continues(app: OpenCodeOnDesktop) -> None:
    session = app.ask({"calls": [BASH], "words": 3})
    answers = app.open_answers()
    app.desk.screenshot("answers-permission")
    app.desk.click(answers.x + 60, app.desk.rows(answers)[2])  # after the request's text in two lines
    app.tray.icon(DONE)
    assert app.tray.home.session(session)["last_output"] == "word0 word1 word2"
    assert app.results() == [("menu", "Allowed once", "sending"), ("menu", "Allowed once", "answered")]


def test_a_question_is_answered_by_a_click_in_the_menu(app: OpenCodeOnDesktop) -> None:
    session = app.ask({"calls": [[["question", {"questions": [COLOUR]}]]], "words": 3})
    answers = app.open_answers()
    app.desk.screenshot("answers-question")
    app.desk.click(answers.x + 60, app.desk.rows(answers)[2])  # "Blue"
    app.tray.icon(DONE)
    messages = app.opencode.call("GET", f"/session/{session}/message")
    assert '"Which colour?"="Blue"' in json.dumps(messages).replace('\\"', '"')


def test_a_notification_button_allows_a_permission(app: OpenCodeOnDesktop) -> None:
    app.desk.start_notifications()
    app.ask({"calls": [BASH], "words": 3})
    toast = app.desk.toast()
    app.desk.screenshot("answers-toast")
    read = time.monotonic() + APPEARED_PAUSE  # earlier clicks are ignored
    until(lambda: time.monotonic() > read, "the end of the pause")
    app.desk.click(toast.x + toast.width - 155, toast.y + toast.height - 30)  # left of "Reject", at the lower edge
    app.tray.icon(DONE)
    assert app.results()[-1] == ("notification", "Allowed once", "answered")
    until(lambda: not app.desk.is_open(toast), "the end of the notification")


def test_an_answer_in_the_terminal_ui_closes_notification_and_request(app: OpenCodeOnDesktop) -> None:
    app.desk.start_notifications()
    opencode, home = app.opencode, app.tray.home
    opencode.kill()
    opencode.tui()
    # The error 429 delays the request by some seconds, so the Enter that submits the prompt cannot answer it.
    script = {"http": 429, "times": 1, "calls": [BASH], "words": 3}
    opencode.type(f"hello ##{json.dumps(script)}", lambda: any("hello" in prompt for prompt in app.model.prompts))
    app.tray.icon(WAITING)
    toast = app.desk.toast()
    session = next(session for session in home.status()["sessions"] if session["requests"])
    opencode.allow_in_dialog()
    until(lambda: not app.desk.is_open(toast), "the end of the notification")
    app.tray.icon(DONE)
    late = home.run("reply", session["requests"][0]["id"], "reject", "--port", str(home.port))
    assert (late.returncode, late.stdout.strip()) == (0, "Already answered")
    assert home.session(session["id"])["status"] == "completed"


@pytest.mark.fault
def test_a_tray_killed_while_sending_an_answer_recovers_after_a_restart(app: OpenCodeOnDesktop) -> None:
    need("xdotool")
    session = app.ask({"calls": [BASH], "words": 3})
    answers = app.open_answers()
    app.desk.click(answers.x + 60, app.desk.rows(answers)[2])
    app.tray.process.send_signal(signal.SIGKILL)
    app.tray.process.wait(5)
    app.tray.process = app.tray.home.tray(headless=False)
    until(lambda: app.tray.home.session(session).get("status", "disconnected") != "disconnected", "the session", 20)
    requests = app.tray.home.session(session).get("requests")
    if requests:  # the kill was faster than the click, or OpenCode has not handled the answer yet
        assert not requests[0]["sending"]
        done = app.tray.home.run("reply", requests[0]["id"], "once", "--port", str(app.tray.home.port))
        assert done.returncode == 0, done.stderr
    until(lambda: app.tray.home.session(session).get("status") in ("completed", "idle"), "the end of the turn", 20)
