"""The whole program on a real desktop: what a person sees and clicks, while sessions work, ask and end."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, until
from person import Person
from test_panel import colour

from fake_desktop import need
from model_server import ModelServer
from opencode import NEWEST, OpenCode, binary
from tray.core.model import Status
from tray_process import Home

pytestmark = pytest.mark.desktop

SES = "ses_1"
ASK = {"id": "per_1", "sessionID": SES, "permission": "bash", "metadata": {"command": "pnpm test"}, "always": []}
BUSY, WAITING = colour(Status.BUSY), colour(Status.WAITING_FOR_PERMISSION)
TITLE = "Fix the parser"


def snapshot(title: str = TITLE, **sections: Any) -> dict[str, Any]:
    session = {"id": SES, "title": title, "directory": "/home/dev/project", "time": {"created": 1, "updated": 2}}
    return {
        "type": "snapshot",
        "sessions": [session],
        "status": {SES: {"type": "busy"}},
        "permissions": [],
        "questions": [],
        **sections,
    }


def test_an_ask_is_seen_as_icon_toast_and_row_and_is_gone_when_it_is_answered(person: Person):
    desk = person.desk
    desk.start_notifications()
    with person.plugin() as plugin:
        plugin.send(snapshot())
        person.icon(BUSY)
        plugin.event("permission.asked", **ASK)
        icon = person.icon(WAITING)
        toast = desk.toast()
        desk.screenshot("app-permission")
        menu = desk.open_menu(*icon)
        desk.screenshot("app-menu")
        rows = desk.rows(menu)
        assert rows
        desk.press("Escape")
        plugin.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
        person.icon(BUSY)
        until(lambda: not desk.is_open(toast), "no notification")


def test_a_click_on_a_row_of_another_machine_says_how_to_get_there(person: Person):
    need("dunst")
    desk = person.desk
    desk.start_notifications("dunst")
    with person.plugin() as plugin:
        plugin.send(snapshot(permissions=[ASK]))
        menu = desk.open_menu(*person.icon(WAITING))
        desk.click(menu.x + 60, desk.rows(menu)[3])  # after "Go to next", the sums and the section's name
        until(lambda: any("workstation is another machine" in toast for toast in desk.told()), "how to get there")


def test_a_click_on_a_notification_is_a_click_on_its_session(person: Person):
    need("dunst")
    desk = person.desk
    desk.start_notifications("dunst")
    with person.plugin() as plugin:
        plugin.send(snapshot(permissions=[ASK]))
        toast = desk.toast()
        desk.click(toast.x + 30, toast.y + 20)
        until(lambda: any("workstation is another machine" in toast for toast in desk.told()), "how to get there")
        assert any("pnpm test" in toast for toast in desk.told())


@pytest.mark.parametrize("daemon", ["dunst", "xfce4-notifyd"])
def test_a_hostile_title_is_text(person: Person, daemon: str):
    need("dunst")
    desk = person.desk
    desk.start_notifications(daemon)
    title = (
        "<b>bold</b> &amp; <img src='file:///etc/passwd'> _mnemonic_ \u202egnp.exe\u202c\x1b[31m\nsecond\tline "
        + "w" * 9000
    )
    command = {"command": "echo '<a href=\"x\">' & rm -rf / \u2028 עברית 日本語"}
    with person.plugin() as plugin:
        plugin.send(snapshot(title, permissions=[{**ASK, "metadata": command}]))
        icon = person.icon(WAITING)
        desk.toast()
        desk.screenshot(f"app-hostile-{daemon}")
        menu = desk.open_menu(*icon)
        desk.screenshot("app-hostile-menu")
        assert menu.width < 900
        desk.press("Escape")
        if daemon == "dunst":
            (told,) = desk.told()
            assert "<b>bold</b> &amp; <img" in told.splitlines()[0]
            assert "echo '&lt;a href=\"x\"&gt;' &amp; rm -rf /" in told  # as sent: dunst reads it as markup


def test_a_notification_daemon_that_dies_costs_the_notifications_of_that_time_alone(person: Person):
    need("dunst")
    desk = person.desk
    desk.start_notifications("dunst")
    with person.plugin() as plugin:
        plugin.send(snapshot(permissions=[ASK]))
        desk.toast()
        desk.end("dunst", signal.SIGKILL)
        plugin.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
        person.icon(BUSY)
        plugin.event("permission.asked", **{**ASK, "id": "per_2", "metadata": {"command": "while away"}})
        person.icon(WAITING)
        plugin.event("permission.replied", sessionID=SES, requestID="per_2", reply="once")
        person.icon(BUSY)
        desk.start_notifications("dunst")
        plugin.event("permission.asked", **{**ASK, "id": "per_3", "metadata": {"command": "here again"}})
        desk.toast("the notification after the daemon came back")
        assert ["here again" in toast for toast in desk.told()] == [True]
        assert person.tray.poll() is None


def test_a_tray_that_was_killed_shows_the_truth_when_it_is_started_again(person: Person):
    desk = person.desk
    with person.plugin() as plugin:
        plugin.send(snapshot(permissions=[ASK]))
        person.icon(WAITING)
        person.tray.kill()
        person.tray.wait(5)
        until(lambda: desk.find(WAITING) is None, "no icon")
    person.tray = person.home.tray(headless=False)
    with person.plugin() as plugin:
        plugin.send(snapshot())
        person.icon(BUSY)
    person.tray.terminate()
    assert person.tray.wait(3) == 0
    until(lambda: desk.find(BUSY) is None, "no icon")


@pytest.mark.opencode
def test_a_real_session_asks_and_ends_before_the_persons_eyes(person: Person, tmp_path: Path):
    desk, settings = person.desk, person.home.path / "config/opencode-tray/settings.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("[notifications]\nfinished_after = 0\n", encoding="utf-8")
    person.home.environment |= {"PATH": f"{binary(NEWEST).parent}:{os.environ['PATH']}", "TERMINAL": "xterm"}
    person.restart()
    desk.start_notifications("dunst")
    environment = {
        "OPENCODE_MONITOR_PORT": str(person.home.port),
        "OPENCODE_TRAY_TOKEN_FILE": str(person.home.path / "data/opencode-tray/token"),
    }
    with ModelServer() as model, OpenCode(NEWEST, tmp_path / "opencode", model.port, environment) as opencode:
        opencode.serve()
        session = opencode.session()
        opencode.prompt(session, {"calls": [[["bash", {"command": "echo hi", "description": "say hi"}]]], "words": 3})
        icon = person.icon(WAITING)
        desk.toast()
        menu = desk.open_menu(*icon)
        desk.screenshot("app-opencode")
        desk.click(menu.x + 60, desk.rows(menu)[3])
        attach = f"attach {opencode.url} --session {session}"
        until(lambda: attach in desk.run("ps", "ax", "-o", "args"), "the session in a new terminal")
        assert any("bash: echo hi" in toast for toast in desk.told())
        request = person.home.session(session)["requests"][0]["id"]
        opencode.call("POST", f"/session/{session}/permissions/{request}", {"response": "once"})
        person.icon(colour(Status.COMPLETED))
        until(lambda: any("word2" in toast for toast in desk.told()), "the news that it has finished")


def test_the_demo_shows_all_there_is(desk: Desk, tmp_path: Path):
    """The picture at the top of the README is this one."""
    desk.start_panel(dark=True)
    desk.start_notifications()
    home = Home(tmp_path / "demo")
    home.path.mkdir()
    home.environment = {**desk.environment, **home.environment}
    home.start("demo", "--port", str(home.port))
    try:
        icon = desk.wait_for_icon(WAITING)
        desk.toast()
        menu = desk.open_menu(*icon)
        desk.screenshot("demo")
        assert len(desk.rows(menu)) > 15  # every section, and what is asked in full
    finally:
        home.stop()
