"""The tray on a Windows desktop under Wine: icon, tooltip, menu and submenu, by real clicks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desk import Desk
from test_panel import colour
from windows_desk import PREFIX, WindowsTray

from fake_desktop import PrivateBus, need
from fakes import PluginThread
from tray.core.sessions import Status
from waiting import until

pytestmark = [
    pytest.mark.desktop,
    pytest.mark.skipif(not PREFIX, reason="the step `wine` of packaging/check.py runs it, with a Wine prefix"),
]

SES, PER = "ses_1", "per_1"
SNAPSHOT = {
    "type": "snapshot",
    "sessions": [{"id": SES, "title": "Grüße & Küsse", "directory": "C:\\Users\\Zoë\\R&D"}],
    "status": {},
    "permissions": [],
}
ASK = {"id": PER, "sessionID": SES, "permission": "bash", "metadata": {"command": "dir C:\\"}}
ANSWER = 4  # row in the menu, after "Go to next", the counts, the section's name and the session
IDLE, WAITING = colour(Status.IDLE), colour(Status.WAITING_FOR_PERMISSION)


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    folder = tmp_path / "Zoë Müller & Söhne"
    folder.mkdir()
    return folder


@pytest.fixture
def starting_tray(tmp_path: Path, profile: Path, bus: PrivateBus) -> Iterator[Callable[[], WindowsTray]]:
    """A function that starts a tray."""
    need("wine", "wineserver", "Xvfb", "xdotool", "xwininfo", "xsetroot", "import")
    desk = Desk(tmp_path, bus)
    trays: list[WindowsTray] = []

    def start() -> WindowsTray:
        trays.append(WindowsTray(desk, profile))
        return trays[-1]

    desk.start()
    try:
        yield start
    finally:
        for tray in trays:
            tray.stop()
        desk.stop()


@pytest.fixture
def windows_tray(starting_tray: Callable[[], WindowsTray]) -> WindowsTray:
    tray = starting_tray()
    tray.wait_until_it_listens()
    return tray


def test_a_permission_is_shown_and_answered_in_the_notification_area(windows_tray: WindowsTray) -> None:
    tray, desk = windows_tray, windows_tray.desk
    with PluginThread(tray.home.port, tray.home.token, directory="C:\\Users\\Zoë\\R&D") as plugin:
        plugin.send(SNAPSHOT)
        tray.icon(IDLE)
        plugin.event("permission.asked", **ASK)
        assert tray.tooltip(WAITING) == "1 needs you"
        desk.screenshot("windows-tooltip")
        menu = desk.open_menu(*tray.icon(WAITING))
        desk.screenshot("windows-menu")
        answers = desk.open_menu(menu.x + 60, desk.rows(menu)[ANSWER], button=1)
        desk.screenshot("windows-answers")
        desk.click(answers.x + 60, desk.rows(answers)[2])  # after the request's text in two lines
        call = plugin.receive()
        wanted = {"requestID": PER, "sessionID": SES, "reply": "once"}
        assert (call["method"], call["params"]) == ("permission.reply", wanted)
        plugin.send({"id": call["id"], "result": {}})
        plugin.event("permission.replied", sessionID=SES, requestID=PER, reply="once")
        tray.icon(IDLE)
        until(lambda: [line["result"] for line in tray.audit()] == ["sending", "answered"], "the audit log")


def test_a_second_start_leaves_one_icon_and_quit_removes_it(windows_tray: WindowsTray) -> None:
    tray, desk = windows_tray, windows_tray.desk
    x, y = tray.icon(IDLE)
    second = tray.home.run("run", "--port", str(tray.home.port))
    assert (second.returncode, "already running" in second.stdout) == (0, True)
    menu = desk.open_menu(x, y)
    desk.screenshot("windows-calm")
    desk.click(menu.x + 60, desk.rows(menu)[-1])
    until(lambda: not tray.endpoint.exists(), "the end of the tray")
    until(lambda: desk.find(IDLE) is None, "the removal of the icon")


def test_the_tray_agrees_to_a_logoff_and_has_saved_everything_when_windows_may_end_it(
    windows_tray: WindowsTray,
) -> None:
    tray = windows_tray
    cache = tray.home.path / "data/opencode-tray/cache.json"
    with PluginThread(tray.home.port, tray.home.token) as plugin:
        plugin.send(SNAPSHOT)
        until(lambda: tray.home.session(SES), "the session")
        assert tray.log_off(cache) == "{1} True"
    assert SES in cache.read_text(encoding="utf-8")
    assert not tray.endpoint.exists()
    until(lambda: tray.desk.find(IDLE) is None, "the removal of the icon")


def test_a_wrong_setting_is_shown_and_logged_if_there_is_no_console(
    profile: Path, starting_tray: Callable[[], WindowsTray]
) -> None:
    settings = profile / "data/opencode-tray/settings.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[icon]\nstyle = "rainbow"\n', encoding="utf-8")
    tray = starting_tray()
    log = tray.home.log
    until(lambda: log.exists() and "rainbow" in log.read_text(encoding="utf-8"), "the log", 60)
    tray.wait_for_dialog("rainbow")


def test_a_notification_is_shown_beside_the_icon_and_goes_with_its_request(windows_tray: WindowsTray) -> None:
    """Wine has no notification service, like some Windows."""
    tray = windows_tray
    with PluginThread(tray.home.port, tray.home.token, directory="C:\\Users\\Zoë\\R&D") as plugin:
        plugin.send(SNAPSHOT)
        plugin.event("permission.asked", **ASK)
        until(lambda: "bash: dir C:\\" in tray.tooltips(), "a balloon")
        tray.desk.screenshot("windows-balloon")
        plugin.event("permission.replied", sessionID=SES, requestID=PER, reply="once")
        until(lambda: "bash: dir C:\\" not in tray.tooltips(), "the removal of the balloon")
