"""A desktop that shows no tray icons, or only later."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fake_desktop import FakeDesktop, PrivateBus, environment, running
from tray.app.panel_notice import PanelNotice
from tray.core.sessions import Status
from tray.surfaces.backends.open_icon import open_tray_icon
from tray.surfaces.menu.view import IconView, TrayView
from tray.system.tasks import TaskSet
from waiting import run, until_async


async def messages_of(mark: Path, *, hosted: bool = False) -> list[tuple[str, str]]:
    """Return what a tray without a panel shows after its start; `hosted`: a panel showed the icon meanwhile."""
    messages: list[tuple[str, str]] = []
    tasks = TaskSet()
    notice = PanelNotice(mark, tasks, lambda title, text: messages.append((title, text)), delay=0.01)
    notice.start()
    if hosted:
        notice.set_hosted(True)
    await tasks.wait(20)
    return messages


def test_the_missing_panel_is_shown_once_and_logged_at_each_start(
    bus: PrivateBus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mark = tmp_path / "data/panel-notice"

    async def test() -> None:
        assert await messages_of(mark, hosted=True) == []
        assert not mark.exists()
        ((title, text),) = await messages_of(mark)
        assert (title, "AppIndicator" in text, "opencode-tray watch" in text) == ("The icon is not visible", True, True)
        assert await messages_of(mark) == []
        assert caplog.text.count("the desktop shows no tray icons") == 2

    with environment(DISPLAY=None, WAYLAND_DISPLAY="wayland-42"):
        run(test())


def test_a_panel_that_the_icon_does_not_know_of_is_not_missing(bus: PrivateBus, tmp_path: Path) -> None:
    async def test() -> None:
        desktop = await FakeDesktop(bus.address).start()
        assert await messages_of(tmp_path / "mark") == []
        await desktop.stop()

    with environment(DISPLAY=None, WAYLAND_DISPLAY="wayland-42"):
        run(test())


def test_a_machine_without_a_display_gets_no_notification(bus: PrivateBus, tmp_path: Path) -> None:
    with environment(DISPLAY=None, WAYLAND_DISPLAY=None):
        assert run(messages_of(tmp_path / "mark")) == []


def test_without_a_display_the_icon_appears_once_a_panel_is_on_the_bus(bus: PrivateBus) -> None:
    view = TrayView(IconView(Status.BUSY, 0), "1 working", ())
    with environment(DISPLAY=None, WAYLAND_DISPLAY=None):
        icon = open_tray_icon("opencode-tray", "OpenCode Tray", view, lambda _: None, lambda _: None, lambda _: None)

        async def test() -> None:
            desktop = await FakeDesktop(bus.address).start()
            await until_async(lambda: desktop.items)
            assert (await desktop.properties())["Title"] == "OpenCode Tray"
            await desktop.stop()

        with running(icon):
            asyncio.run(test())
