"""Real clicks on the toasts of real notification daemons, which move toasts under the pointer."""

from __future__ import annotations

import asyncio
import time

import pytest
from desk import DAEMONS, Desk, Window, until
from test_notifications import ONE, TWO, once, permission

from fake_desktop import need
from fake_desktop import until as until_async
from tray.core.commands import Command
from tray.surfaces.notifications import Notifications
from tray.surfaces.toast_guard import APPEARED_PAUSE, MOVED_PAUSE

pytestmark = pytest.mark.desktop

ALLOW = {  # daemon -> where "Allow once" lies, in pixels from the toast's lower right corner
    "mate-notification-daemon": (141, 27),  # puts the newest on top, and closes the gap that a toast leaves
    "notification-daemon": (157, 39),  # shows one after the other in the same place
    "xfce4-notifyd": (155, 30),
}


def top(desk: Desk, taller_than: int = 0) -> Window:
    """The uppermost toast, once it stands still and is so tall."""
    seen: list[Window | None] = [None]

    def steady() -> Window | None:
        toasts = [window for window in desk.windows().values() if window.y < 400]
        seen.append(min(toasts, key=lambda window: window.y, default=None))
        return seen[-1] if seen[-1] == seen[-2] and seen[-1] is not None and seen[-1].height > taller_than else None

    return until(steady, "a toast")


async def pause(seconds: float) -> None:
    """As a person does who reads first."""
    since = time.monotonic()
    await until_async(lambda: time.monotonic() > since + seconds)


def allow_once(desk: Desk, daemon: str, toast: Window, *how: str) -> None:
    """Click its button."""
    right, up = ALLOW[daemon]
    place = str(toast.x + toast.width - right), str(toast.y + toast.height - up)
    desk.run("xdotool", "mousemove", *place, "sleep", "0.15", "click", *how, "1")


@pytest.mark.parametrize("daemon", ["mate-notification-daemon", "notification-daemon"])
def test_the_second_click_of_a_slow_double_click_answers_no_other_session(desk: Desk, daemon: str) -> None:
    need(DAEMONS[daemon])
    desk.environment["GTK_THEME"] = "Adwaita"
    desk.start_notifications(daemon)

    async def test() -> None:
        chosen: list[Command] = []
        lane = Notifications("OpenCode Tray", None, chosen.append)
        running = asyncio.create_task(lane.run())
        for name, session in (("per_1", ONE), ("per_2", TWO)):
            lane.show(permission(name, session))
        await until_async(lambda: lane.count == 2)
        await pause(APPEARED_PAUSE)
        toast = await asyncio.to_thread(top, desk)
        await asyncio.to_thread(allow_once, desk, daemon, toast, "--repeat", "2", "--delay", "450")
        again = await asyncio.to_thread(top, desk, toast.height)  # with a line more, which says why
        desk.screenshot(f"double-click-{daemon}")
        assert len(chosen) == 1
        await pause(MOVED_PAUSE)
        await asyncio.to_thread(allow_once, desk, daemon, again)
        await until_async(lambda: len(chosen) == 2)
        both = [once("per_1", ONE), once("per_2", TWO)]
        assert chosen in (both, both[::-1])
        lane.end()
        await running

    asyncio.run(asyncio.wait_for(test(), 60))


def test_another_daemon_shows_an_ask_again_and_its_buttons_answer(desk: Desk) -> None:
    need("dunst")
    desk.environment["GTK_THEME"] = "Adwaita"

    async def test() -> None:
        chosen: list[Command] = []
        lane = Notifications("OpenCode Tray", None, chosen.append)
        running = asyncio.create_task(lane.run())
        desk.start_notifications("dunst")
        lane.show(permission("per_1"))
        await until_async(lambda: lane.count == 1)
        desk.end("dunst")
        desk.start_notifications("xfce4-notifyd")
        toast = await asyncio.to_thread(top, desk)
        await pause(MOVED_PAUSE)
        await asyncio.to_thread(allow_once, desk, "xfce4-notifyd", toast)
        await until_async(lambda: chosen)
        assert chosen == [once("per_1", ONE)]
        lane.end()
        await running

    asyncio.run(asyncio.wait_for(test(), 60))
