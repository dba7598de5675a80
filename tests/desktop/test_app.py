"""The whole program on a real desktop: icon, menu and notifications of sessions that work, wait and end."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from test_panel import colour
from tray_with_icon import TrayWithIcon

from fake_desktop import need
from model_server import ModelServer
from opencode import NEWEST, OpenCode, binary
from tray.core.sessions import Status
from tray_process import Home
from waiting import until

pytestmark = pytest.mark.desktop

SES = "ses_1"
REQUEST = {"id": "per_1", "sessionID": SES, "permission": "bash", "metadata": {"command": "pnpm test"}, "always": []}
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


def test_a_request_shows_as_icon_notification_and_row_until_it_is_answered(tray: TrayWithIcon):
    desk = tray.desk
    desk.start_notifications()
    with tray.plugin() as plugin:
        plugin.send(snapshot())
        tray.icon(BUSY)
        plugin.event("permission.asked", **REQUEST)
        icon = tray.icon(WAITING)
        toast = desk.toast()
        desk.screenshot("app-permission")
        menu = desk.open_menu(*icon)
        desk.screenshot("app-menu")
        rows = desk.rows(menu)
        assert rows
        desk.press("Escape")
        plugin.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
        tray.icon(BUSY)
        until(lambda: not desk.is_open(toast), "the end of the notification")


def test_a_click_on_a_session_of_another_machine_shows_how_to_open_it(tray: TrayWithIcon):
    need("dunst")
    desk = tray.desk
    desk.start_notifications("dunst")
    with tray.plugin() as plugin:
        plugin.send(snapshot(permissions=[REQUEST]))
        menu = desk.open_menu(*tray.icon(WAITING))
        desk.click(menu.x + 60, desk.rows(menu)[3])  # after "Go to next", the counts and the section's name
        until(
            lambda: any("workstation is another machine" in toast for toast in desk.shown_notifications()),
            "how to open it",
        )


def test_a_click_on_a_notification_opens_its_session(tray: TrayWithIcon):
    need("dunst")
    desk = tray.desk
    desk.start_notifications("dunst")
    with tray.plugin() as plugin:
        plugin.send(snapshot(permissions=[REQUEST]))
        toast = desk.toast()
        desk.click(toast.x + 30, toast.y + 20)
        until(
            lambda: any("workstation is another machine" in toast for toast in desk.shown_notifications()),
            "how to open it",
        )
        assert any("pnpm test" in toast for toast in desk.shown_notifications())


@pytest.mark.parametrize("daemon", ["dunst", "xfce4-notifyd"])
def test_a_hostile_title_is_shown_as_plain_text(tray: TrayWithIcon, daemon: str):
    need("dunst")
    desk = tray.desk
    desk.start_notifications(daemon)
    title = (
        "<b>bold</b> &amp; <img src='file:///etc/passwd'> _mnemonic_ \u202egnp.exe\u202c\x1b[31m\nsecond\tline "
        + "w" * 9000
    )
    command = {"command": "echo '<a href=\"x\">' & rm -rf / \u2028 עברית 日本語"}
    with tray.plugin() as plugin:
        plugin.send(snapshot(title, permissions=[{**REQUEST, "metadata": command}]))
        icon = tray.icon(WAITING)
        desk.toast()
        desk.screenshot(f"app-hostile-{daemon}")
        menu = desk.open_menu(*icon)
        desk.screenshot("app-hostile-menu")
        assert menu.width < 900
        desk.press("Escape")
        if daemon == "dunst":
            (text,) = desk.shown_notifications()
            assert "<b>bold</b> &amp; <img" in text.splitlines()[0]
            assert "echo '&lt;a href=\"x\"&gt;' &amp; rm -rf /" in text  # as sent: dunst interprets markup


@pytest.mark.fault
def test_notifications_are_shown_again_after_the_daemon_was_restarted(tray: TrayWithIcon):
    need("dunst")
    desk = tray.desk
    desk.start_notifications("dunst")
    with tray.plugin() as plugin:
        plugin.send(snapshot(permissions=[REQUEST]))
        desk.toast()
        desk.end("dunst", signal.SIGKILL)
        plugin.event("permission.replied", sessionID=SES, requestID="per_1", reply="once")
        tray.icon(BUSY)
        plugin.event("permission.asked", **{**REQUEST, "id": "per_2", "metadata": {"command": "without a daemon"}})
        tray.icon(WAITING)
        plugin.event("permission.replied", sessionID=SES, requestID="per_2", reply="once")
        tray.icon(BUSY)
        desk.start_notifications("dunst")
        plugin.event("permission.asked", **{**REQUEST, "id": "per_3", "metadata": {"command": "after the restart"}})
        desk.toast("the notification after the restart of the daemon")
        assert ["after the restart" in toast for toast in desk.shown_notifications()] == [True]
        assert tray.process.poll() is None


@pytest.mark.fault
def test_a_killed_tray_shows_the_current_state_after_a_restart(tray: TrayWithIcon):
    desk = tray.desk
    with tray.plugin() as plugin:
        plugin.send(snapshot(permissions=[REQUEST]))
        tray.icon(WAITING)
        tray.process.kill()
        tray.process.wait(5)
        until(lambda: desk.find(WAITING) is None, "no icon")
    tray.process = tray.home.tray(headless=False)
    with tray.plugin() as plugin:
        plugin.send(snapshot())
        tray.icon(BUSY)
    tray.process.terminate()
    assert tray.process.wait(3) == 0
    until(lambda: desk.find(BUSY) is None, "no icon")


@pytest.mark.opencode
def test_a_session_of_the_real_opencode_waits_is_opened_and_completes(tray: TrayWithIcon, tmp_path: Path):
    desk, settings = tray.desk, tray.home.settings
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("[notifications]\nfinished_after = 0\n", encoding="utf-8")
    tray.home.environment |= {"PATH": f"{binary(NEWEST).parent}:{os.environ['PATH']}", "TERMINAL": "xterm"}
    tray.restart()
    desk.start_notifications("dunst")
    environment = {
        "OPENCODE_MONITOR_PORT": str(tray.home.port),
        "OPENCODE_TRAY_TOKEN_FILE": str(tray.home.path / "data/opencode-tray/token"),
    }
    with ModelServer() as model, OpenCode(NEWEST, tmp_path / "opencode", model.port, environment) as opencode:
        opencode.serve()
        session = opencode.session()
        opencode.prompt(session, {"calls": [[["bash", {"command": "echo hi", "description": "say hi"}]]], "words": 3})
        icon = tray.icon(WAITING)
        desk.toast()
        menu = desk.open_menu(*icon)
        desk.screenshot("app-opencode")
        desk.click(menu.x + 60, desk.rows(menu)[3])
        attach = f"attach {opencode.url} --session {session}"
        until(lambda: attach in desk.run("ps", "ax", "-o", "args"), "the session in a new terminal")
        assert any("bash: echo hi" in toast for toast in desk.shown_notifications())
        request = tray.home.session(session)["requests"][0]["id"]
        opencode.call("POST", f"/session/{session}/permissions/{request}", {"response": "once"})
        tray.icon(colour(Status.COMPLETED))
        until(
            lambda: any("word2" in toast for toast in desk.shown_notifications()),
            "the notification that it has finished",
        )


def test_the_demo_shows_every_section_of_the_menu(desk: Desk, tmp_path: Path):
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
        assert len(desk.rows(menu)) > 15  # every section, and the full text of the requests
    finally:
        home.stop()
