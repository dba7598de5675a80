"""The whole program's menu on a real panel: few, many and very many sessions, and what a submenu shows when opened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, Window, until
from person import Person
from test_panel import colour

from tray.core.model import Status

pytestmark = pytest.mark.desktop

SCREEN_HEIGHT, PANEL_HEIGHT = 800, 40
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
    """A snapshot of so many sessions over six projects."""
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
    waits = names[: max(1, min(4, number // 7))]
    asks = [
        {
            "id": f"per_{name}",
            "sessionID": name,
            "permission": "bash",
            "patterns": ["*"],
            "metadata": {"command": "kubectl drain ip-10-0-3-17.eu-west-1.compute.internal --ignore-daemonsets"},
            "always": [],
        }
        for name in waits
    ]
    return {"type": "snapshot", "sessions": sessions, "status": busy, "permissions": asks, "questions": []}


class Sitting:
    """A person whose panel looks like this, with one plugin that reports a fleet."""

    def __init__(self, desk: Desk, folder: Path, look: str, number: int) -> None:
        folder.mkdir()
        if look == "2x":
            desk.end("Xvfb")
            desk.start(scale=2)
        desk.start_panel(dark=look == "dark")
        self.person = Person(desk, folder)
        self.plugin = self.person.plugin()
        self.plugin.__enter__()
        self.plugin.send(fleet(number))
        told = {"name": "APIError", "data": {"message": "Credit balance too low"}}
        self.plugin.event("session.error", sessionID="ses_002", error=told)

    def menu(self) -> Window:
        return self.person.desk.open_menu(*self.person.icon(colour(Status.WAITING_FOR_PERMISSION)))

    def close(self) -> None:
        self.plugin.__exit__(None, None, None)
        self.person.home.stop()


@pytest.fixture
def sit(desk: Desk, tmp_path: Path) -> Iterator[Callable[[str, int], Sitting]]:
    made: list[Sitting] = []

    def begin(look: str, number: int) -> Sitting:
        made.append(Sitting(desk, tmp_path / "person", look, number))
        return made[-1]

    yield begin
    for one in made:
        one.close()


@pytest.mark.parametrize("number", [3, 30, 200])
@pytest.mark.parametrize("look", ["light", "dark", "2x"])
def test_the_menu_fits_on_the_screen(desk: Desk, sit: Callable[[str, int], Sitting], number: int, look: str):
    menu = sit(look, number).menu()
    desk.screenshot(f"fleet-{number}-{look}")
    assert menu.height < (SCREEN_HEIGHT - PANEL_HEIGHT) * desk.scale


def test_every_session_is_reached_by_opening_submenus(desk: Desk, sit: Callable[[str, int], Sitting]):
    menu = sit("light", 30).menu()
    everything = desk.open_menu(menu.x + 60, desk.rows(menu)[-3], button=1)
    assert len(until(lambda: _rows(desk, everything, 6), "the projects")) == 6
    right = everything.x + everything.width - 30  # not where the next menu appears
    project = desk.open_menu(right, desk.rows(everything)[0], button=1)
    assert len(until(lambda: _rows(desk, project, 5), "its sessions")) == 5
    session = desk.open_menu(project.x + 60, desk.rows(project)[2], button=1)
    assert until(lambda: len(desk.rows(session)) > 8, "what can be done with it")
    desk.screenshot("fleet-30-session")


def test_a_submenu_that_is_clicked_as_the_pointer_reaches_it_has_its_rows(
    desk: Desk, sit: Callable[[str, int], Sitting]
):
    """GTK shows it at once then, and never makes room for rows that come later."""
    menu = sit("light", 30).menu()
    idle = desk.rows(menu)[-4]
    desk.run("xdotool", "mousemove", str(menu.x + 60), str(menu.y + 20))
    before = desk.windows()
    desk.run("xdotool", "mousemove", str(menu.x + 60), str(idle), "click", "1")
    submenu = until(lambda: next((one for id_, one in desk.windows().items() if id_ not in before), None), "a submenu")
    assert len(until(lambda: _rows(desk, submenu, 17), "its rows")) >= 17


def _rows(desk: Desk, menu: Window, number: int) -> list[int] | None:
    rows = desk.rows(menu)
    return rows if len(rows) >= number else None


def test_an_opened_menu_shows_what_is_true_then(desk: Desk, sit: Callable[[str, int], Sitting]):
    """While nobody looks a busy fleet's menu is announced seldom; whoever opens it must not see an old one."""
    sitting = sit("light", 3)
    place = sitting.person.icon(colour(Status.WAITING_FOR_PERMISSION))
    for _ in range(20):
        for kind in ("busy", "idle"):
            sitting.plugin.event("session.status", sessionID="ses_001", status={"type": kind})
    told = {"name": "APIError", "data": {"message": "The provider is overloaded"}}
    sitting.plugin.event("session.error", sessionID="ses_001", error=told)
    until(lambda: sitting.person.home.session("ses_001")["status"] == "error", "the last event")
    menu = desk.open_menu(*place)
    desk.run("xdotool", "mousemove", "10", "10")
    opened = until(lambda: desk.grab(menu.box), "a picture")
    desk.screenshot("opened-after-a-storm")
    desk.press("Escape")
    until(lambda: not desk.is_open(menu), "a closed menu")
    again = desk.open_menu(*place)
    desk.run("xdotool", "mousemove", "10", "10")
    assert (again.width, again.height) == (menu.width, menu.height)
    assert until(lambda: desk.grab(again.box).tobytes() == opened.tobytes(), "the same menu")


def test_the_doctor_opens_where_its_findings_can_be_read_and_copied(
    desk: Desk, sit: Callable[[str, int], Sitting], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(desk.environment, "TERMINAL", "xterm")
    menu = sit("light", 3).menu()
    before = desk.windows()
    desk.click(menu.x + 60, desk.rows(menu)[-2])

    def terminal() -> Window | None:
        new = [window for id_, window in desk.windows().items() if id_ not in before]
        return next((window for window in new if len(desk.rows(window)) > 5), None)

    until(terminal, "a terminal with findings", 20)
    desk.screenshot("doctor")
