"""A real OpenCode's asks, answered where people see them: in the menu, by a notification's button, by a command."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import Window, until
from person import Person
from test_panel import colour

from fake_desktop import need
from model_server import ModelServer
from opencode import LAST_YEAR, NEWEST, OpenCode
from tray.core.model import Status
from tray.surfaces.toast_guard import APPEARED_PAUSE

pytestmark = [pytest.mark.desktop, pytest.mark.opencode]

WAITING, DONE = colour(Status.WAITING_FOR_PERMISSION), colour(Status.COMPLETED)
ANSWER = 4  # its row in the menu, after "Go to next", the sums, the section's name and the session
BASH = [["bash", {"command": "echo hi", "description": "say hi"}]]
COLOUR = {
    "question": "Which colour?",
    "header": "Colour",
    "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}],
}


class Place:
    """A person at a desk, and a real OpenCode that reports to their tray."""

    def __init__(self, person: Person, opencode: OpenCode, model: ModelServer) -> None:
        self.person = person
        self.model = model
        self.desk = person.desk
        self.opencode = opencode

    def asks(self, script: dict[str, Any]) -> str:
        """A session that waits for an answer, as the icon shows."""
        session = self.opencode.session()
        self.opencode.prompt(session, script)
        self.person.icon(WAITING)
        return session

    def open_answers(self) -> Window:
        """The submenu with the answers of the first who waits."""
        menu = self.desk.open_menu(*self.person.icon(WAITING))
        return self.desk.open_menu(menu.x + 60, self.desk.rows(menu)[ANSWER], button=1)

    def results(self) -> list[tuple[str, str, str]]:
        """Surface, answer and result of each line of the audit log."""
        text = (self.person.home.path / "data/opencode-tray/audit.jsonl").read_text(encoding="utf-8")
        entries = [json.loads(line) for line in text.splitlines()]
        return [(entry["surface"], entry["answer"], entry["result"]) for entry in entries]


@pytest.fixture
def place(request: pytest.FixtureRequest, person: Person, tmp_path: Path) -> Iterator[Place]:
    """With `opencode serve` of the newest version, or of the one that the test names."""
    version = getattr(request, "param", NEWEST)
    settings = person.home.path / "config/opencode-tray/settings.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("[notifications]\nfinished = false\n", encoding="utf-8")
    person.restart()
    environment = {
        "OPENCODE_MONITOR_PORT": str(person.home.port),
        "OPENCODE_TRAY_TOKEN_FILE": str(person.home.path / "data/opencode-tray/token"),
    }
    with ModelServer() as model, OpenCode(version, tmp_path / "opencode", model.port, environment) as opencode:
        opencode.serve()
        yield Place(person, opencode, model)


@pytest.mark.parametrize("place", [NEWEST, LAST_YEAR], indirect=True)
def test_a_permission_is_allowed_by_a_click_in_the_menu_and_the_agent_goes_on(place: Place) -> None:
    session = place.asks({"calls": [BASH], "words": 3})
    answers = place.open_answers()
    place.desk.screenshot("answers-permission")
    place.desk.click(answers.x + 60, place.desk.rows(answers)[2])  # after what is asked, in two lines
    place.person.icon(DONE)
    assert place.person.home.session(session)["last_output"] == "word0 word1 word2"
    assert place.results() == [("menu", "Allowed once", "sending"), ("menu", "Allowed once", "answered")]


def test_a_question_is_answered_by_a_click_in_the_menu(place: Place) -> None:
    session = place.asks({"calls": [[["question", {"questions": [COLOUR]}]]], "words": 3})
    answers = place.open_answers()
    place.desk.screenshot("answers-question")
    place.desk.click(answers.x + 60, place.desk.rows(answers)[2])  # "Blue"
    place.person.icon(DONE)
    messages = place.opencode.call("GET", f"/session/{session}/message")
    assert '"Which colour?"="Blue"' in json.dumps(messages).replace('\\"', '"')


def test_a_permission_is_allowed_by_the_notifications_own_button(place: Place) -> None:
    place.desk.start_notifications()
    place.asks({"calls": [BASH], "words": 3})
    toast = place.desk.toast()
    place.desk.screenshot("answers-toast")
    read = time.monotonic() + APPEARED_PAUSE  # nothing is taken of a click that comes sooner
    until(lambda: time.monotonic() > read, "a person who reads first")
    place.desk.click(toast.x + toast.width - 155, toast.y + toast.height - 30)  # left of "Reject", at the lower edge
    place.person.icon(DONE)
    assert place.results()[-1] == ("notification", "Allowed once", "answered")
    until(lambda: not place.desk.is_open(toast), "no notification")


def test_what_was_answered_in_the_terminal_ui_has_neither_toast_nor_answers(place: Place) -> None:
    place.desk.start_notifications()
    opencode, home = place.opencode, place.person.home
    opencode.kill()
    opencode.tui()
    # Refused once, it asks some seconds later: an Enter too many does not answer it.
    script = {"http": 429, "times": 1, "calls": [BASH], "words": 3}
    opencode.type(f"hello ##{json.dumps(script)}", lambda: any("hello" in prompt for prompt in place.model.prompts))
    place.person.icon(WAITING)
    toast = place.desk.toast()
    session = next(told for told in home.status()["sessions"] if told["requests"])
    opencode.tmux("send-keys", "-t", "tui", "Enter")  # "Allow once" is what its dialog has chosen
    until(lambda: not place.desk.is_open(toast), "no notification")
    place.person.icon(DONE)
    late = home.run("reply", session["requests"][0]["id"], "reject", "--port", str(home.port))
    assert (late.returncode, late.stdout.strip()) == (0, "Already answered")
    assert home.session(session["id"])["status"] == "completed"


def test_a_tray_that_is_killed_as_the_answer_goes_leaves_nothing_wrong(place: Place) -> None:
    need("xdotool")
    session = place.asks({"calls": [BASH], "words": 3})
    answers = place.open_answers()
    place.desk.click(answers.x + 60, place.desk.rows(answers)[2])
    place.person.tray.send_signal(signal.SIGKILL)
    place.person.tray.wait(5)
    place.person.tray = place.person.home.tray(headless=False)
    until(lambda: place.person.home.session(session).get("status", "disconnected") != "disconnected", "the session", 20)
    requests = place.person.home.session(session).get("requests")
    if requests:  # the kill was faster than the click, or OpenCode has not handled the answer yet
        assert not requests[0]["sending"]
        done = place.person.home.run("reply", requests[0]["id"], "once", "--port", str(place.person.home.port))
        assert done.returncode == 0, done.stderr
    until(lambda: place.person.home.session(session).get("status") in ("completed", "idle"), "the end of the turn", 20)
