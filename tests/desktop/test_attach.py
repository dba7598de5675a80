"""The way to a real OpenCode's session: the very pane among three, its window, or a new terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk, until

from fake_desktop import need
from model_server import ModelServer
from opencode import NEWEST, OpenCode
from tray_process import Home

pytestmark = [pytest.mark.desktop, pytest.mark.opencode]

TITLE = "Scripted title"


class Place:
    """A desk with a window manager, a tray without an icon, and an OpenCode that is not started yet."""

    def __init__(self, desk: Desk, folder: Path, model: ModelServer) -> None:
        self.desk = desk
        self.model = model
        self.home = Home(folder / "tray")
        self.home.path.mkdir()
        self.home.environment = {**desk.environment, **self.home.environment, "TERMINAL": "xterm"}
        environment = {
            "DISPLAY": desk.display,
            "OPENCODE_MONITOR_PORT": str(self.home.port),
            "OPENCODE_TRAY_TOKEN_FILE": str(self.home.path / "data/opencode-tray/token"),
        }
        self.opencode = OpenCode(NEWEST, folder / "opencode", model.port, environment)
        programs = f"{self.opencode.binary.parent}:{os.environ['PATH']}"
        # What is opened finds the session where the OpenCode under test keeps it.
        self.home.environment |= {
            "PATH": programs,
            **{name: value for name, value in self.opencode.environment.items() if name.startswith("OPENCODE_DISABLE")},
        }

    def start_tray(self, settings: str = "") -> None:
        path = self.home.path / "config/opencode-tray/settings.toml"
        path.parent.mkdir(parents=True)
        path.write_text(settings, encoding="utf-8")
        self.home.tray("--no-notify")

    def run(self, *words: str) -> str:
        done = self.home.run(*words, "--port", str(self.home.port))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def sessions(self) -> list[str]:
        return [told["id"] for told in self.home.status()["sessions"]]

    def front(self) -> str:
        """The name of the window that has the keyboard."""
        return self.desk.run("xdotool", "getactivewindow", "getwindowname").strip()


@pytest.fixture
def place(desk: Desk, tmp_path: Path) -> Iterator[Place]:
    need("openbox", "xterm", "tmux", "xclip")
    desk.spawn("openbox", ["openbox", "--sm-disable"])
    until(lambda: "_NET_SUPPORTING_WM_CHECK" in desk.run("xprop", "-root"), "the window manager")
    with ModelServer() as model:
        made = Place(desk, tmp_path, model)
        yield made
        made.opencode.kill()
        made.home.stop()


def test_the_very_pane_among_three_comes_to_the_front_with_the_session(place: Place) -> None:
    place.start_tray()
    opencode, desk = place.opencode, place.desk
    opencode.tui()
    pane = opencode.tmux("display-message", "-p", "-t", "tui", "#{pane_id}").strip()
    opencode.tmux("split-window", "-t", "tui", "sleep 600")
    opencode.tmux("new-window", "-t", "tui", "sleep 600")
    for name, command in (
        ("seat", ["tmux", "-S", f"{opencode.home}/tmux.sock", "attach"]),
        ("other", ["sleep", "600"]),
    ):
        desk.spawn(name, ["xterm", "-T", name, "-xrm", "*allowTitleOps: false", "-e", *command])
        until(lambda name=name: place.front() == name, f"the window {name}")
    until(lambda: opencode.tmux("list-clients"), "tmux's client")
    first = f"first ##{json.dumps({'words': 3})}"
    opencode.tmux("send-keys", "-t", pane, "-l", first)
    until(lambda: "first" in opencode.tmux("capture-pane", "-p", "-t", pane), "the typed prompt")
    until(
        lambda: opencode.tmux("send-keys", "-t", pane, "Enter") or any("first" in p for p in place.model.prompts),
        "the prompt",
    )
    session = until(lambda: next(iter(place.sessions()), ""), "the session")

    until(lambda: place.home.session(session)["status"] == "completed", "the end of the turn", 20)
    forked = place.run("session", "fork", session).removeprefix("Forked: ")

    def shown() -> str:
        """What OpenCode calls its terminal: the title of the session that it shows."""
        return opencode.tmux("display-message", "-p", "-t", pane, "#{pane_title}").strip()

    for wanted, title in ((forked, f"OC | {TITLE} (fork #1)"), (session, f"OC | {TITLE}")):
        opencode.tmux("select-window", "-t", "tui:1")
        desk.run("xdotool", "search", "--name", "^other$", "windowactivate", "--sync")
        assert place.run("attach", wanted) == "Focused its tmux pane; brought its window to the front"
        assert place.front() == "seat"
        assert opencode.tmux("list-clients", "-F", "#{pane_id}").strip() == pane
        until(lambda title=title: shown() == title, f"the session {title}")
    desk.screenshot("attach-pane")


def test_without_a_terminal_a_new_one_is_opened_on_the_session(place: Place) -> None:
    place.start_tray()
    place.home.stop()  # it is started again with OpenCode's own folders, which the new terminal inherits
    place.home.environment |= {name: value for name, value in place.opencode.environment.items() if name[:3] == "XDG"}
    place.home.environment |= {
        name: place.opencode.environment[name] for name in ("OPENCODE_TRAY_TOKEN_FILE", "OPENCODE_MONITOR_PORT")
    }
    place.home.tray("--no-notify")
    place.opencode.tui()  # in a tmux that nobody looks at
    place.opencode.type(f"first ##{json.dumps({'words': 3})}", lambda: any("first" in p for p in place.model.prompts))
    session = until(lambda: next(iter(place.sessions()), ""), "the session")
    assert place.run("attach", session) == "Opened it in xterm"
    until(lambda: place.opencode.tmux("list-clients"), "tmux's client in the new terminal")
    place.opencode.tmux("kill-server")
    until(lambda: place.home.session(session)["status"] == "disconnected", "the end of OpenCode")
    assert place.run("attach", session) == "Opened it in xterm"
    shown = until(lambda: "--session" in place.desk.run("ps", "ax", "-o", "args") and place.front(), "the new terminal")
    assert shown
    until(
        lambda: session in place.sessions() and place.home.session(session)["status"] != "disconnected",
        "it reports",
        20,
    )
    place.desk.screenshot("attach-new-terminal")


def test_a_server_with_a_password_is_attached_to_with_it_and_nobody_can_read_it(place: Place) -> None:
    place.opencode.environment["OPENCODE_SERVER_PASSWORD"] = "secret-of-the-test"
    place.opencode.serve()
    place.start_tray(f'[[servers]]\nurl = "{place.opencode.url}"\npassword = "secret-of-the-test"\n')
    session = place.opencode.session()
    place.opencode.prompt(session, {"words": 3})
    until(lambda: session in place.sessions(), "the session", 40)
    assert place.run("attach", session) == "Opened it in xterm"
    until(lambda: f"attach {place.opencode.url}" in place.desk.run("ps", "ax", "-o", "args"), "opencode attach", 20)
    assert "secret-of-the-test" not in place.desk.run("ps", "ax", "-o", "args")
    until(place.front, "the new terminal")
    assert place.run("attach", session) == "Brought its window to the front"  # the one that is there already
    place.desk.screenshot("attach-password")


@pytest.mark.parametrize("program", ["xclip", ""])
def test_the_command_that_is_copied_outlives_the_menu(place: Place, program: str) -> None:
    """With a clipboard program, and with none: then the tray keeps it."""
    if not program:
        place.home.environment["PATH"] = str(place.opencode.binary.parent)
    place.opencode.serve()
    place.start_tray()
    session = place.opencode.session()
    place.opencode.prompt(session, {"words": 3})
    until(lambda: session in place.sessions(), "the session")
    place.run("session", "copy-command", session)
    wanted = f"opencode attach {place.opencode.url} --session {session} --dir {place.opencode.project}"
    assert place.desk.run("xclip", "-selection", "clipboard", "-o") == wanted
    place.run("session", "copy-id", session)
    assert place.desk.run("xclip", "-selection", "clipboard", "-o") == session
