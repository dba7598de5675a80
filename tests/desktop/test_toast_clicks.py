"""Real clicks on notifications of real daemons, which move notifications under the pointer."""

from __future__ import annotations

import asyncio

import pytest
from desk import DAEMONS, Desk, Window
from test_notifications import ONE, TWO, allow_once, permission_alert

from fake_desktop import need
from tray.core.commands import Command
from tray.surfaces.notifications import Notifications
from tray.surfaces.toast_guard import APPEARED_PAUSE, MOVED_PAUSE
from waiting import until, until_async

pytestmark = pytest.mark.desktop

ALLOW = {  # position of "Allow once" by daemon, in pixels from the lower right corner
    "mate-notification-daemon": (141, 27),  # puts the newest on top, and closes gaps
    "notification-daemon": (157, 39),  # shows one after the other in the same position
    "xfce4-notifyd": (155, 30),
}


def top(desk: Desk, taller_than: int = 0) -> Window:
    """Return the topmost notification once it has stopped moving and is taller than `taller_than` pixels."""
    seen: list[Window | None] = [None]

    def steady() -> Window | None:
        toasts = [window for window in desk.windows().values() if window.y < 400]
        seen.append(min(toasts, key=lambda window: window.y, default=None))
        return seen[-1] if seen[-1] == seen[-2] and seen[-1] is not None and seen[-1].height > taller_than else None

    return until(steady, "a toast")


async def pause(seconds: float) -> None:
    """Wait until the program accepts clicks again."""
    await asyncio.sleep(seconds)


def click_allow_once(desk: Desk, daemon: str, toast: Window, *options: str) -> None:
    """Click the button "Allow once" of a notification."""
    right, up = ALLOW[daemon]
    position = str(toast.x + toast.width - right), str(toast.y + toast.height - up)
    desk.run("xdotool", "mousemove", *position, "sleep", "0.15", "click", *options, "1")


@pytest.mark.parametrize("daemon", ["mate-notification-daemon", "notification-daemon"])
def test_a_slow_double_click_answers_only_one_session(desk: Desk, daemon: str) -> None:
    need(DAEMONS[daemon])
    desk.environment["GTK_THEME"] = "Adwaita"
    desk.start_notifications(daemon)

    async def test() -> None:
        commands: list[Command] = []
        notifications = Notifications("OpenCode Tray", None, commands.append)
        running = asyncio.create_task(notifications.run())
        for name, session in (("per_1", ONE), ("per_2", TWO)):
            notifications.show(permission_alert(name, session))
        await until_async(lambda: notifications.count == 2)
        await pause(APPEARED_PAUSE)
        toast = await asyncio.to_thread(top, desk)
        await asyncio.to_thread(click_allow_once, desk, daemon, toast, "--repeat", "2", "--delay", "450")
        again = await asyncio.to_thread(top, desk, toast.height)  # it has another line with the reason
        desk.screenshot(f"double-click-{daemon}")
        assert len(commands) == 1
        await pause(MOVED_PAUSE)
        await asyncio.to_thread(click_allow_once, desk, daemon, again)
        await until_async(lambda: len(commands) == 2)
        both = [allow_once("per_1", ONE), allow_once("per_2", TWO)]
        assert commands in (both, both[::-1])
        notifications.end()
        await running

    asyncio.run(asyncio.wait_for(test(), 60))


def test_a_replacing_daemon_shows_the_request_and_its_buttons_answer(desk: Desk) -> None:
    need("dunst")
    desk.environment["GTK_THEME"] = "Adwaita"

    async def test() -> None:
        commands: list[Command] = []
        notifications = Notifications("OpenCode Tray", None, commands.append)
        running = asyncio.create_task(notifications.run())
        desk.start_notifications("dunst")
        notifications.show(permission_alert("per_1"))
        await until_async(lambda: notifications.count == 1)
        desk.end("dunst")
        desk.start_notifications("xfce4-notifyd")
        toast = await asyncio.to_thread(top, desk)
        await pause(MOVED_PAUSE)
        await asyncio.to_thread(click_allow_once, desk, "xfce4-notifyd", toast)
        await until_async(lambda: commands)
        assert commands == [allow_once("per_1", ONE)]
        notifications.end()
        await running

    asyncio.run(asyncio.wait_for(test(), 60))
