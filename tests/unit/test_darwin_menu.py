"""macOS: a click runs the command of the clicked row, and the program ends only after it has saved its state."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from fake_appkit import AWAKE, Mac, menu_bar
from tray.core.commands import Command, OpenSession, Quit
from tray.core.sessions import SessionKey, Status
from tray.surfaces.menu.items import Entry, Item, Separator
from tray.surfaces.menu.view import IconView, TrayView


def go_to(label: str) -> OpenSession:
    return OpenSession(SessionKey("server", label))


def row(label: str) -> Item:
    return Item(label, label, go_to(label))


def view(*menu: Entry) -> TrayView:
    return TrayView(IconView(Status.WAITING_FOR_PERMISSION, len(menu)), f"{len(menu)} need you", menu)


class Shown:
    """An icon in the menu bar, and the commands of the clicked rows."""

    def __init__(self, mac: Mac, module: Any) -> None:
        self.mac = mac
        self.chosen: list[Command] = []
        self.icon = module.Icon("opencode-tray", view(row("ls"), Separator("1"), row("pwd")), self.chosen.append)
        self.icon.run()
        mac.turn()

    def show(self, *menu: Entry) -> None:
        self.icon.post(lambda: self.icon.update(view(*menu)))
        self.mac.turn()

    def stop(self) -> None:
        """Stop the icon, as the program does once everything is saved."""
        self.icon.post(self.icon.end)
        self.mac.turn()


@pytest.fixture
def shown() -> Iterator[Shown]:
    with menu_bar() as (mac, module):
        yield Shown(mac, module)


def test_a_click_selects_the_row_shown_although_the_menu_was_updated(shown: Shown) -> None:
    seen = shown.mac.open_menu()
    shown.show(row("rm -rf ~"), row("ls"), row("pwd"))
    shown.mac.close_menu()
    shown.mac.choose(seen[0])
    assert shown.chosen == [go_to("ls")]


def test_a_delayed_action_selects_the_row_that_was_shown(shown: Shown) -> None:
    seen = shown.mac.open_menu()
    shown.show(row("rm -rf ~"), row("ls"), row("pwd"))
    shown.mac.close_menu()
    shown.mac.turn()
    assert shown.mac.titles == ["rm -rf ~", "ls", "pwd"]
    shown.mac.choose(seen[0])
    assert shown.chosen == [go_to("ls")]


def test_a_row_of_a_submenu_runs_its_own_command(shown: Shown) -> None:
    shown.show(Item("more", "more", children=(row("inner"), row("other"))), row("ls"))
    inner = shown.mac.open_menu()[0].menu
    assert inner is not None
    shown.show(Item("more", "more", children=(row("new"), row("inner"), row("other"))), row("ls"))
    shown.mac.close_menu()
    shown.mac.choose(inner.rows[0])
    assert shown.chosen == [go_to("inner")]


def test_an_open_menu_is_replaced_by_the_newest_one_after_it_has_closed(shown: Shown) -> None:
    shown.mac.open_menu()
    opened = shown.mac.item.menu
    for label in ("one", "two", "three"):
        shown.show(row(label))
    assert shown.mac.item.menu is opened
    assert shown.mac.item.button().tooltip == "1 need you"  # icon and tooltip do not wait
    shown.mac.close_menu()
    shown.mac.turn()
    assert shown.mac.titles == ["three"]


def test_a_menu_that_was_refused_is_set_later_at_growing_intervals(shown: Shown) -> None:
    shown.mac.item.refusals = 3
    shown.mac.delays.clear()
    shown.show(row("new"))
    assert shown.mac.titles == ["new"]
    assert [delay for delay in shown.mac.delays if delay >= 1] == [1, 2, 4]


def test_after_a_success_the_first_interval_is_the_shortest_again(shown: Shown) -> None:
    for label in ("one", "two"):
        shown.mac.item.refusals = 2
        shown.mac.delays.clear()
        shown.show(row(label))
        assert [delay for delay in shown.mac.delays if delay >= 1] == [1, 2]


def test_at_logout_the_program_ends_only_after_its_ordinary_stop(shown: Shown) -> None:
    app = shown.mac.app
    app.terminate_(None)
    assert shown.chosen == [Quit()]  # which saves the state
    app.terminate_(None)  # asked again meanwhile
    assert (shown.chosen, app.has_exited) == ([Quit()], False)
    shown.stop()
    assert (app.has_exited, app.has_stopped) == (True, False)


def test_after_an_ordinary_stop_the_main_loop_has_ended_and_a_logout_does_not_wait(shown: Shown) -> None:
    shown.stop()
    app = shown.mac.app
    assert (app.has_stopped, app.has_exited) == (True, False)
    app.terminate_(None)
    assert (app.has_exited, shown.chosen) == (True, [])


def test_app_nap_is_off_while_the_icon_runs(shown: Shown) -> None:
    assert shown.mac.held_while_running == [AWAKE]
    assert shown.mac.activities == []


def test_the_icon_has_the_name_under_which_macos_stores_its_position(shown: Shown) -> None:
    assert shown.mac.item.autosave_name == "opencode-tray"


def test_the_icon_has_as_many_pixels_as_the_usual_and_the_retina_screens_show(shown: Shown) -> None:
    image = shown.mac.item.button().image
    widths = [Image.open(io.BytesIO(each.data)).width for each in image.representations]
    assert widths == [18, 36]
    assert {image.size, *(each.size for each in image.representations)} == {(18, 18)}


def test_a_stop_closes_the_open_menu_whose_own_loop_would_go_on(shown: Shown) -> None:
    shown.mac.open_menu()
    shown.show(row("new"))  # waits for the end of the open one
    opened = shown.mac.opened
    shown.stop()
    assert opened is not None
    assert opened.is_closed
