"""macOS: without a screen, as over SSH, there is no icon; AppKit would end the program."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType

import pytest

from tray.core.sessions import Status
from tray.surfaces.backends.open_icon import open_tray_icon
from tray.surfaces.menu.view import IconView, TrayView
from tray.system import tray_host

VIEW = TrayView(IconView(Status.IDLE), "", ())


@pytest.mark.parametrize("session", [None, {"kCGSSessionUserNameKey": "dev"}])
def test_an_icon_is_possible_only_in_a_session_with_a_screen(
    monkeypatch: pytest.MonkeyPatch, session: dict[str, str] | None
) -> None:
    quartz = ModuleType("Quartz")
    quartz.__dict__["CGSessionCopyCurrentDictionary"] = lambda: session
    monkeypatch.setitem(sys.modules, "Quartz", quartz)
    monkeypatch.setattr(sys, "platform", "darwin")
    icon = open_tray_icon("opencode-tray", "", VIEW, lambda _: None, lambda _: None, lambda _: None)
    assert (icon is not None) is (session is not None)
    assert asyncio.run(tray_host.find()).shows is (session is not None)


def test_without_quartz_an_icon_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "Quartz", None)
    assert tray_host.has_window_server()
