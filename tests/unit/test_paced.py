"""What happens is on the icon at once; menus come at a pace that panels bear, and the last one always comes."""

from __future__ import annotations

import asyncio

import pytest

from fakes import until
from tray.core.model import Status
from tray.surfaces import paced
from tray.surfaces.menu import Item
from tray.surfaces.paced import PacedMenu
from tray.surfaces.view import IconView, TrayView


def view(count: int, label: str) -> TrayView:
    return TrayView(IconView(Status.WAITING_FOR_PERMISSION, count), f"{count} need you", (Item("row", label),))


def test_a_burst_is_shown_at_once_but_for_most_of_its_menus_of_which_the_last_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paced, "MENU_EVERY", 0.5)
    shown: list[TrayView] = []

    async def burst() -> None:
        menu = PacedMenu(shown.append)
        for number in range(1, 101):
            menu.show(view(number, f"row {number}"))
        assert shown[:4] == [view(number, f"row {number}") for number in range(1, 5)]
        assert shown[4:] == [view(number, "row 4") for number in range(5, 101)]
        await until(lambda: shown[-1] == view(100, "row 100"))
        assert len(shown) == 101

    asyncio.run(burst())


def test_under_a_lasting_load_menus_come_at_their_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paced, "MENU_EVERY", 0.05)
    shown: list[TrayView] = []

    async def load() -> None:
        menu = PacedMenu(shown.append)
        loop = asyncio.get_running_loop()
        start = loop.time()
        number = 0
        while loop.time() < start + 0.5:
            number += 1
            menu.show(view(1, f"row {number}"))
            await asyncio.sleep(0)
        menus = {shown_view.menu for shown_view in shown}
        assert len(menus) <= 4 + (loop.time() - start) / 0.05
        assert len(menus) >= 5

    asyncio.run(load())


def test_after_a_pause_menus_come_at_once_and_only_the_newest_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paced, "MENU_EVERY", 0.05)
    monkeypatch.setattr(paced, "AT_ONCE", 1)
    shown: list[TrayView] = []

    async def pauses() -> None:
        menu = PacedMenu(shown.append)
        menu.show(view(1, "a"))
        menu.show(view(1, "b"))
        menu.show(view(1, "a"))  # back to what is shown: nothing is due
        await asyncio.sleep(0.06)
        menu.show(view(1, "c"))
        assert shown == [view(1, "a"), view(1, "c")]

    asyncio.run(pauses())
