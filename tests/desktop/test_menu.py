"""The menu of the whole program on a real panel, with 3 to 200 sessions, and its submenus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, Window
from test_panel import colour
from tray_with_icon import TrayWithIcon

from tray.core.sessions import Status
from waiting import until

pytestmark = pytest.mark.desktop

SCREEN_HEIGHT, PANEL_HEIGHT = 800, 40
MENU_BORDER = 10  # pixels below the last row
PROJECTS = ("shop-api", "shop-web", "infra", "docs", "payments-service", "mobile")
TITLES = (
    "Refund flow with partial captures",
    "Dark mode for the settings page and the profile",
    "Upgrade the cluster to 1.33",
    "Fix typos found by the linter",
    "Find out why the checkout tests are flaky",
    "Keyboard access in the date picker, the menus and all dialogs of the settings page",
)


def fleet(number: int) -> dict[str, Any]:
    """Return a snapshot of this number of sessions in six projects."""
    at = int(time.time() * 1000)
    names = [f"ses_{index:03}" for index in range(number)]
    sessions = [
        {
            "id": name,
            "title": f"{TITLES[index // 6 % 6]}{f' ({index // 36 + 1})' if index >= 36 else ''}",
            "directory": f"/home/dev/{PROJECTS[index % 6]}",
            "time": {"created": at - 7_200_000, "updated": at - 240_000 * (index + 1)},
        }
        for index, name in enumerate(names)
    ]
    busy = {name: {"type": "busy"} for index, name in enumerate(names) if index % 3 == 1}
    waiting = names[: max(1, min(4, number // 7))]
    requests = [
        {
            "id": f"per_{name}",
            "sessionID": name,
            "permission": "bash",
            "patterns": ["*"],
            "metadata": {"command": "kubectl drain ip-10-0-3-17.eu-west-1.compute.internal --ignore-daemonsets"},
            "always": [],
        }
        for name in waiting
    ]
    return {"type": "snapshot", "sessions": sessions, "status": busy, "permissions": requests, "questions": []}


class TrayWithSessions:
    """A tray on a panel of this look, with one plugin that reports this number of sessions."""

    def __init__(self, desk: Desk, folder: Path, look: str, number: int) -> None:
        folder.mkdir()
        if look == "2x":
            desk.end("Xvfb")
            desk.start(scale=2)
        desk.start_panel(dark=look == "dark")
        self.tray = TrayWithIcon(desk, folder)
        self.plugin = self.tray.plugin()
        self.plugin.__enter__()
        self.plugin.send(fleet(number))
        error = {"name": "APIError", "data": {"message": "Credit balance too low"}}
        self.plugin.event("session.error", sessionID="ses_002", error=error)

    def menu(self) -> Window:
        return self.tray.desk.open_menu(*self.tray.icon(colour(Status.WAITING_FOR_PERMISSION)))

    def close(self) -> None:
        self.plugin.__exit__(None, None, None)
        self.tray.home.stop()


Start = Callable[[str, int], TrayWithSessions]  # (look of the panel, number of sessions)


@pytest.fixture
def start(desk: Desk, tmp_path: Path) -> Iterator[Start]:
    made: list[TrayWithSessions] = []

    def begin(look: str, number: int) -> TrayWithSessions:
        made.append(TrayWithSessions(desk, tmp_path / "tray", look, number))
        return made[-1]

    yield begin
    for tray in made:
        tray.close()


@pytest.mark.parametrize("number", [3, 30, 200])
@pytest.mark.parametrize("look", ["light", "dark", "2x"])
def test_the_menu_fits_on_the_screen(desk: Desk, start: Start, number: int, look: str):
    menu = start(look, number).menu()
    desk.screenshot(f"fleet-{number}-{look}")
    assert menu.height < (SCREEN_HEIGHT - PANEL_HEIGHT) * desk.scale


def test_every_session_is_reachable_through_submenus(desk: Desk, start: Start):
    menu = start("light", 30).menu()
    everything = desk.open_menu(menu.x + 60, desk.rows(menu)[-3], button=1)
    assert len(until(lambda: _rows(desk, everything, 6), "the projects")) == 6
    right = everything.x + everything.width - 30  # not where the next menu appears
    project = desk.open_menu(right, desk.rows(everything)[0], button=1)
    assert len(until(lambda: _rows(desk, project, 5), "its sessions")) == 5
    session = desk.open_menu(project.x + 60, desk.rows(project)[2], button=1)
    assert until(lambda: len(desk.rows(session)) > 8, "the commands of the session")
    desk.screenshot("fleet-30-session")


def test_a_submenu_clicked_as_the_pointer_arrives_has_its_rows(desk: Desk, start: Start):
    """GTK shows the submenu at once in this case, and never resizes it for rows that are added later."""
    menu = start("light", 30).menu()
    idle = desk.rows(menu)[-4]
    desk.run("xdotool", "mousemove", str(menu.x + 60), str(menu.y + 20))
    before = desk.windows()
    desk.run("xdotool", "mousemove", str(menu.x + 60), str(idle), "click", "1")

    def opened() -> Window | None:
        return next((window for id_, window in desk.windows().items() if id_ not in before), None)

    submenu = until(opened, "a submenu")
    assert len(until(lambda: _rows(desk, submenu, 17), "its rows")) >= 17


def _rows(desk: Desk, menu: Window, number: int) -> list[int] | None:
    rows = desk.rows(menu)
    return rows if len(rows) >= number else None


def test_a_menu_shows_the_current_state_when_it_is_opened(desk: Desk, start: Start):
    """A closed menu is updated at a limited rate, so opening it must update it first."""
    tray = start("light", 3)
    icon = tray.tray.icon(colour(Status.WAITING_FOR_PERMISSION))
    for _ in range(20):
        for kind in ("busy", "idle"):
            tray.plugin.event("session.status", sessionID="ses_001", status={"type": kind})
    error = {"name": "APIError", "data": {"message": "The provider is overloaded"}}
    tray.plugin.event("session.error", sessionID="ses_001", error=error)
    until(lambda: tray.tray.home.session("ses_001")["status"] == "error", "the last event")
    menu = desk.open_menu(*icon)
    desk.run("xdotool", "mousemove", "10", "10")
    desk.screenshot("opened-after-a-burst")
    opened, rows = desk.grab(menu.box), len(desk.rows(menu))
    desk.press("Escape")
    until(lambda: not desk.is_open(menu), "a closed menu")
    again = desk.open_menu(*icon)
    desk.run("xdotool", "mousemove", "10", "10")
    assert len(desk.rows(again)) == rows
    # GTK keeps the height of a menu whose rows are removed as it opens: there may be free space below the last row
    common = (0, 0, menu.width, min(menu.height, again.height) - MENU_BORDER)
    until(
        lambda: desk.grab(again.box).crop(common).tobytes() == opened.crop(common).tobytes(),
        "the same menu",
    )


def test_the_doctor_row_opens_a_terminal_with_the_findings(desk: Desk, start: Start, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(desk.environment, "TERMINAL", "xterm")
    menu = start("light", 3).menu()
    before = desk.windows()
    desk.click(menu.x + 60, desk.rows(menu)[-3])

    def terminal() -> Window | None:
        new = [window for id_, window in desk.windows().items() if id_ not in before]
        return next((window for window in new if len(desk.rows(window)) > 5), None)

    until(terminal, "a terminal with findings", 20)
    desk.screenshot("doctor")
