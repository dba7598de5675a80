"""Claude Code on a desktop: its requests in the menu and in notifications, and the way to its pane."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, Window
from test_panel import colour
from tray_with_icon import TrayWithIcon
from workspace import Workspace

from claude_code import DIALOG, ClaudeCode
from model_server import ModelServer
from tray.core.sessions import Status
from tray.surfaces.toast_guard import APPEARED_PAUSE
from waiting import until

pytestmark = [pytest.mark.desktop, pytest.mark.claude_code]

WAITING, DONE = colour(Status.WAITING_FOR_PERMISSION), colour(Status.COMPLETED)
ANSWER = 4  # row in the menu, after "Go to next", the counts, the section's name and the session
TOUCH = {"calls": [[["Bash", {"command": "touch a.txt", "description": "Create a file"}]]]}


class ClaudeOnDesktop:
    """A tray with its icon, and Claude Code with the tray's hooks."""

    def __init__(self, tray: TrayWithIcon, claude: ClaudeCode) -> None:
        self.tray = tray
        self.desk = tray.desk
        self.claude = claude

    def ask(self, script: dict[str, Any]) -> None:
        """Make Claude Code ask, and wait until dialog and icon show it and the tray can answer it.

        The registry may tell of the request before the hook does; until then it is shown read-only.
        """
        self.claude.prompt(script)
        until(lambda: DIALOG in self.claude.terminal.screen(), "the dialog")
        until(self._is_answerable, "a request that can be answered")
        self.tray.icon(WAITING)

    def _is_answerable(self) -> bool:
        requests = [each for session in self.tray.home.status()["sessions"] for each in session["requests"]]
        return bool(requests) and not any(request["read_only_reason"] for request in requests)

    def open_answers(self) -> Window:
        menu = self.desk.open_menu(*self.tray.icon(WAITING))
        return self.desk.open_menu(menu.x + 60, self.desk.rows(menu)[ANSWER], button=1)

    def settled_toast(self) -> Window:
        """Return the notification once it takes clicks. A read-only request's is replaced when it can be answered."""
        toast, appeared = self.desk.toast(), time.monotonic()

        def is_settled() -> bool:
            nonlocal toast, appeared
            current = self.desk.toast()
            if current != toast:
                toast, appeared = current, time.monotonic()
            return time.monotonic() > appeared + APPEARED_PAUSE

        until(is_settled, "a notification that takes clicks")
        return toast

    def results(self) -> list[tuple[str, str, str]]:
        text = (self.tray.home.path / "data/opencode-tray/audit.jsonl").read_text(encoding="utf-8")
        return [(entry["surface"], entry["answer"], entry["result"]) for entry in map(json.loads, text.splitlines())]


@pytest.fixture
def app(desk: Desk) -> Iterator[ClaudeOnDesktop]:
    desk.environment["GTK_THEME"] = "Adwaita"
    desk.start_panel(dark=True)
    with (
        tempfile.TemporaryDirectory(prefix="tray-", ignore_cleanup_errors=True) as name,  # short: it contains a socket
        ModelServer() as model,
        ClaudeCode(Path(name) / "claude", model.port) as claude,
    ):
        folder = Path(name) / "tray"
        folder.mkdir()
        tray = TrayWithIcon(desk, folder)
        tray.home.environment |= {
            "CLAUDE_CONFIG_DIR": str(claude.configuration), "OPENCODE_TRAY_DISCOVERY_AGENTS": "1",
        }  # fmt: skip
        tray.restart()
        assert tray.home.run("install-hooks", "claude").returncode == 0
        claude.tui()
        yield ClaudeOnDesktop(tray, claude)
        tray.home.stop()


def test_a_click_in_the_menu_allows_a_permission_and_closes_the_dialog(app: ClaudeOnDesktop) -> None:
    app.ask(TOUCH)
    answers = app.open_answers()
    app.desk.screenshot("claude-answers")
    app.desk.click(answers.x + 60, app.desk.rows(answers)[2])  # after the request's text in two lines
    app.tray.icon(DONE)
    assert (app.claude.project / "a.txt").exists()
    assert DIALOG not in app.claude.terminal.screen()
    assert app.results() == [("menu", "Allowed once", "sending"), ("menu", "Allowed once", "answered")]


def test_a_notification_button_allows_a_permission(app: ClaudeOnDesktop) -> None:
    app.desk.start_notifications()
    app.ask(TOUCH)
    toast = app.settled_toast()
    app.desk.screenshot("claude-toast")
    app.desk.click(toast.x + toast.width - 155, toast.y + toast.height - 30)  # left of "Reject", at the lower edge
    app.tray.icon(DONE)
    assert app.results()[-1] == ("notification", "Allowed once", "answered")


def test_an_answer_in_the_terminal_closes_the_notification(app: ClaudeOnDesktop) -> None:
    app.desk.start_notifications()
    app.ask(TOUCH)
    toast = app.desk.toast()
    app.claude.accept()
    until(lambda: not app.desk.is_open(toast), "the end of the notification")
    app.tray.icon(DONE)


def test_a_killed_tray_shows_the_request_again_and_the_dialog_stays(app: ClaudeOnDesktop) -> None:
    app.ask(TOUCH)
    app.tray.process.kill()
    app.tray.process.wait(5)
    assert DIALOG in app.claude.terminal.screen()
    app.tray.process = app.tray.home.tray(headless=False)
    app.tray.icon(WAITING)
    (session,) = app.tray.home.status()["sessions"]
    assert "in its terminal" in session["requests"][0]["read_only_reason"]
    app.claude.accept()
    app.tray.icon(DONE)


def test_attach_activates_the_pane_among_three(workspace: Workspace) -> None:
    desk = workspace.desk
    with ClaudeCode(workspace.home.path / "claude", workspace.model.port) as claude:
        claude.environment["DISPLAY"] = desk.display
        workspace.home.environment |= {
            "CLAUDE_CONFIG_DIR": str(claude.configuration), "OPENCODE_TRAY_DISCOVERY_AGENTS": "1",
        }  # fmt: skip
        workspace.start_tray()
        claude.tui()
        tmux = claude.terminal.run
        pane = tmux("display-message", "-p", "-t", "tui", "#{pane_id}").strip()
        tmux("split-window", "-t", "tui", "sleep 600")
        tmux("new-window", "-t", "tui", "sleep 600")
        workspace.terminal("seat", "tmux", "-S", f"{claude.home}/tmux.sock", "attach")
        workspace.terminal("other", "sleep", "600")
        until(lambda: tmux("list-clients"), "tmux's client")
        session = until(lambda: next(iter(workspace.sessions()), ""), "the session")
        assert workspace.run("attach", session) == "Focused the tmux pane; brought the window to the front"
        assert workspace.front() == "seat"
        assert tmux("list-clients", "-F", "#{pane_id}").strip() == pane
