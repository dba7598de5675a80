"""The tray on Waybar, under Sway without a screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from panel_checks import check_answer, check_icon_and_menu, check_return
from sway_desk import SwayDesk

from fake_desktop import PrivateBus, environment

pytestmark = pytest.mark.desktop


@pytest.fixture
def desk(tmp_path: Path, bus: PrivateBus) -> Iterator[SwayDesk]:
    made = SwayDesk(tmp_path, bus)
    made.start()
    made.start_panel()
    with environment(DISPLAY=None, WAYLAND_DISPLAY=made.environment["WAYLAND_DISPLAY"]):
        yield made
    made.stop()


def test_the_icon_and_its_menu_work_on_waybar(desk: SwayDesk):
    check_icon_and_menu(desk)


def test_the_icon_returns_after_a_crash_of_waybar(desk: SwayDesk):
    check_return(desk)


def test_an_answer_in_a_submenu_of_waybar_is_sent(desk: SwayDesk, tmp_path: Path):
    check_answer(desk, tmp_path / "tray", sessions=30)
