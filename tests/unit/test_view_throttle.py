"""The icon follows every change at once; menus are built at a limited rate, and the last one is always shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tray.core.sessions import Status
from tray.surfaces.menu.items import Item, OpenSubmenus
from tray.surfaces.menu.view import IconView, TrayView
from tray.surfaces.view_throttle import MenuRate, ViewThrottle
from waiting import until_async


def view(count: int, label: str) -> TrayView:
    return TrayView(IconView(Status.WAITING_FOR_PERMISSION, count), f"{count} need you", (Item("row", label),))


class Counter:
    """A number that is shown in the icon and in the menu."""

    def __init__(self, **rate: Any) -> None:
        self.number = 0
        self.menus_built = 0
        self.shown: list[TrayView] = []
        self.menu = ""
        self.throttle = ViewThrottle(self.view, MenuRate(**rate))

    def view(self, with_menu: bool) -> TrayView:
        if with_menu:
            self.menus_built += 1
            self.menu = f"row {self.number}"
        return view(self.number, self.menu)

    async def change(self) -> None:
        """Change the state and wait until the icon shows it."""
        self.number += 1
        self.throttle.refresh()
        await until_async(lambda: self.shown[-1].icon.count == self.number)

    def menus(self) -> list[str]:
        labels = [entry.label for shown in self.shown for entry in shown.menu if isinstance(entry, Item)]
        return list(dict.fromkeys(labels))


def play(scenario: Callable[[Counter], Coroutine[Any, Any, None]], **rate: Any) -> Counter:
    counter = Counter(**rate)

    async def played() -> None:
        counter.throttle.show_on(counter.shown.append)
        await until_async(lambda: counter.shown)
        await scenario(counter)
        counter.throttle.close()

    asyncio.run(played())
    return counter


def test_a_burst_updates_the_icon_at_once_and_skips_most_menus() -> None:
    async def burst(counter: Counter) -> None:
        for _ in range(40):
            await counter.change()
        await until_async(lambda: counter.shown[-1] == view(40, "row 40"))

    counter = play(burst, closed=0.5)
    assert counter.menus() == ["row 0", "row 1", "row 2", "row 3", "row 40"]
    assert counter.menus_built == 5


def test_after_a_pause_menus_are_shown_at_once_again() -> None:
    async def pauses(counter: Counter) -> None:
        await counter.change()
        await counter.change()
        assert counter.menus() == ["row 0"]
        await until_async(lambda: counter.menus() == ["row 0", "row 2"])
        await asyncio.sleep(0.06)
        await counter.change()
        assert counter.menus() == ["row 0", "row 2", "row 3"]

    play(pauses, closed=0.05, burst=1)


def test_opening_the_menu_shows_the_current_state() -> None:
    async def opens(counter: Counter) -> None:
        await counter.change()
        assert counter.menus() == ["row 0"]
        counter.throttle.set_open(OpenSubmenus(1, frozenset({()})))
        await until_async(lambda: counter.menus() == ["row 0", "row 1"], deadline=1)

    play(opens, closed=3600, opened=3600, burst=1)


def test_an_open_menu_is_built_more_often_than_a_closed_one() -> None:
    async def looks(counter: Counter) -> None:
        counter.throttle.set_open(OpenSubmenus(1, frozenset({()})))
        await until_async(lambda: counter.menus_built == 2)
        await counter.change()
        await until_async(lambda: counter.menus()[-1] == "row 1", deadline=2)

    play(looks, closed=3600, opened=0.05, burst=1)
