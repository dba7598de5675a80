"""The tray on Waybar, under Sway without a screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk
from panel_checks import check_answer, check_icon_and_menu, check_return, running_desk
from sway_desk import SwayDesk

from fake_desktop import PrivateBus

pytestmark = pytest.mark.desktop


@pytest.fixture
def desk(tmp_path: Path, bus: PrivateBus) -> Iterator[Desk]:
    with running_desk(SwayDesk(tmp_path, bus)) as made:
        yield made


def test_the_icon_and_its_menu_work_on_waybar(desk: Desk):
    check_icon_and_menu(desk)


def test_the_icon_returns_after_a_crash_of_waybar(desk: Desk):
    check_return(desk)


def test_an_answer_in_a_submenu_of_waybar_is_sent(desk: Desk, tmp_path: Path):
    check_answer(desk, tmp_path / "tray", sessions=30)
