"""The tray on KDE Plasma, GNOME Shell with its AppIndicator extension, and Cinnamon."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cinnamon_desk import CinnamonDesk
from desk import Desk
from gnome_desk import GnomeDesk
from panel_checks import check_answer, check_icon_and_menu, check_return, running_desk
from plasma_desk import PlasmaDesk

from fake_desktop import PrivateBus

pytestmark = [
    pytest.mark.desktop,
    pytest.mark.skipif(
        not os.environ.get("LARGE_DESKTOPS_TEST"), reason="the step `large_desktops` of packaging/check.py runs it"
    ),
]

SESSIONS = {"gnome": 3}  # of the whole program; with 30, GNOME's submenus have no room inside the menu


@pytest.fixture(params=[PlasmaDesk, GnomeDesk, CinnamonDesk], ids=lambda kind: str(kind.name))
def desk(request: pytest.FixtureRequest, tmp_path: Path, bus: PrivateBus) -> Iterator[Desk]:
    with running_desk(request.param(tmp_path, bus)) as made:
        yield made


def test_the_icon_and_its_menu_work(desk: Desk):
    check_icon_and_menu(desk)


def test_the_icon_returns_after_a_crash(desk: Desk):
    check_return(desk)


def test_an_answer_in_a_submenu_is_sent(desk: Desk, tmp_path: Path):
    check_answer(desk, tmp_path / "tray", SESSIONS.get(desk.name, 30))
