"""Windows: a view that Explorer refused is shown later, and a click runs the command of the clicked row."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from fake_win32 import Windows, notification_area
from tray.core.commands import Command, OpenSession
from tray.core.sessions import SessionKey, Status
from tray.surfaces.backends.pystray_icon import PystrayIcon
from tray.surfaces.icon import draw
from tray.surfaces.menu.items import Item, Separator
from tray.surfaces.menu.view import IconView, TrayView
from tray.surfaces.toasts import Balloon
from waiting import until

CALM = TrayView(IconView(Status.IDLE), "No sessions", (Item("row", "row"),))


def go_to(label: str) -> OpenSession:
    return OpenSession(SessionKey("server", label))


def view(*labels: str) -> TrayView:
    icon = IconView(Status.WAITING_FOR_PERMISSION, len(labels))
    rows = tuple(Item(label, label, go_to(label)) for label in labels)
    return TrayView(icon, f"{len(labels)} need you", (rows[0], Separator("1"), *rows[1:]))


class Running:
    """An icon in its own thread, and the commands of the clicked rows."""

    def __init__(self, windows: Windows, module: Any) -> None:
        self.windows = windows
        self.chosen: list[Command] = []
        self.icon = module.Icon("opencode-tray", CALM, self.chosen.append)
        self.thread = threading.Thread(target=self.icon.run, daemon=True)

    def start(self) -> None:
        self.thread.start()
        self.windows.settle()

    def show(self, shown: TrayView) -> None:
        self.icon.post(lambda: self.icon.update(shown))
        self.windows.settle()

    def show_balloon(self, balloon: Balloon | None) -> tuple[str, str]:
        """Show a balloon and return its title and text."""
        self.icon.post(lambda: self.icon.update(CALM, balloon))
        self.windows.settle()
        assert self.windows.icon is not None
        return self.windows.icon.balloon

    def assert_shows(self, shown: TrayView) -> None:
        assert self.windows.icon is not None
        assert self.windows.icon.tip == shown.tooltip
        picture = Image.open(io.BytesIO(self.windows.icon.picture)).convert("RGBA")
        assert picture.tobytes() == draw(shown.icon, 16).tobytes()
        labels = [row.label for row in shown.menu if isinstance(row, Item)]
        assert [row.text for row in self.windows.click_right() if row.text] == labels
        self.windows.pick(labels[0])


@pytest.fixture
def running() -> Iterator[Running]:
    with notification_area() as (windows, module):
        running = Running(windows, module)
        yield running
        windows.refuses = False
        running.icon.post(running.icon.end)
        running.thread.join(10)
        assert not running.thread.is_alive()
        assert not windows.icons


def test_a_view_that_explorer_refused_is_shown_once_it_accepts(running: Running) -> None:
    running.start()
    running.assert_shows(CALM)
    running.windows.refuses = True
    running.show(view("ls", "pwd"))
    running.windows.refuses = False
    running.windows.ring()
    running.assert_shows(view("ls", "pwd"))
    assert not running.windows.timers


def test_a_refused_tooltip_is_retried_although_it_is_unchanged(running: Running) -> None:
    running.start()
    running.windows.refuses = True
    running.show(view("ls"))
    running.windows.refuses = False
    running.show(view("ls"))
    running.assert_shows(view("ls"))


def test_an_icon_that_explorer_refused_at_login_is_added_later(running: Running) -> None:
    running.windows.refuses = True
    running.start()
    assert running.windows.icon is None
    running.show(view("ls"))
    running.windows.refuses = False
    running.windows.ring()
    running.assert_shows(view("ls"))


def test_the_interval_between_retries_grows(running: Running) -> None:
    running.windows.refuses = True
    running.start()
    assert [running.windows.ring() for _ in range(7)] == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]
    running.windows.refuses = False
    running.windows.ring()
    running.windows.refuses = True
    running.show(view("ls"))
    assert running.windows.ring() == 1_000


@pytest.mark.parametrize("refused_at_login", [False, True])
def test_after_an_explorer_restart_icon_and_tooltip_are_added_again(running: Running, refused_at_login: bool) -> None:
    running.windows.refuses = refused_at_login
    running.start()
    running.show(view("ls", "pwd"))
    running.windows.refuses = False
    running.windows.restart_explorer()
    running.assert_shows(view("ls", "pwd"))


def test_a_restart_message_of_an_explorer_that_kept_the_icon_is_harmless(running: Running) -> None:
    running.start()
    running.windows.PostMessageW(next(iter(running.windows.icons)), 0xC000, 0, 0)
    running.windows.settle()
    running.assert_shows(CALM)
    assert not running.windows.timers


def test_a_click_selects_the_row_shown_although_the_menu_was_updated(running: Running) -> None:
    running.start()
    running.show(view("ls", "pwd"))
    assert [row.text for row in running.windows.click_right()] == ["ls", "", "pwd"]
    running.show(view("rm -rf ~", "ls", "pwd"))
    running.windows.pick("ls")
    assert running.chosen == [go_to("ls")]
    running.assert_shows(view("rm -rf ~", "ls", "pwd"))


def test_the_icon_does_not_refuse_the_end_of_the_session(running: Running) -> None:
    running.start()
    assert running.windows.ask(0x0011) == 1  # WM_QUERYENDSESSION


def test_a_click_on_a_balloon_runs_its_command(running: Running) -> None:
    running.start()
    assert running.show_balloon(Balloon("Finished · api", "Done.", go_to("api"))) == ("Finished · api", "Done.")
    running.windows.click_balloon()
    assert running.show_balloon(Balloon("Message", "Copied.")) == ("Message", "Copied.")
    running.windows.click_balloon()
    assert running.show_balloon(None) == ("", "")
    running.windows.click_balloon()
    assert running.chosen == [go_to("api")]


def test_a_balloon_is_shown_as_far_as_it_fits(running: Running) -> None:
    running.start()
    assert running.show_balloon(Balloon("title only", "")) == ("title only", "title only")
    assert running.show_balloon(Balloon("é" * 70, "😀" * 200)) == ("é" * 63, "😀" * 127)


def test_a_balloon_that_explorer_refused_is_shown_once_it_accepts(running: Running) -> None:
    running.windows.refuses = True
    running.start()
    balloon = Balloon("Finished · api", "Done.")
    running.icon.post(lambda: running.icon.update(CALM, balloon))
    running.windows.settle()
    running.windows.refuses = False
    running.windows.ring()
    assert running.windows.icon is not None
    assert running.windows.icon.balloon == ("Finished · api", "Done.")
    running.windows.restart_explorer()
    assert running.windows.icon is not None
    assert running.windows.icon.balloon == ("Finished · api", "Done.")  # it was lost
    running.icon.post(running.icon.show_again)  # as after a change of the resolution
    running.windows.settle()
    assert running.windows.icon is not None
    assert running.windows.icon.balloon == ("", "")


def test_a_balloon_that_comes_before_the_icon_is_shown_with_it() -> None:
    with notification_area() as (windows, _):
        icon = PystrayIcon("win32", "opencode-tray", CALM, lambda _: None)
        icon.show_balloon(Balloon("Permission · api", "ls"))
        thread = threading.Thread(target=icon.run, daemon=True)
        thread.start()
        until(lambda: windows.icon is not None and windows.icon.balloon == ("Permission · api", "ls"), "the balloon")
        icon.stop()
        thread.join(10)
        assert not thread.is_alive()
