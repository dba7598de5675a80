"""Parts of the desktop that are stopped while requests come and go: icon and notifications are right afterwards.

`FAULT_STOP_SECONDS` is how long they are stopped, longer than the tray waits for an answer of any of them.
"""

from __future__ import annotations

import os
import signal
import time

import pytest
from test_app import BUSY, REQUEST, SES, WAITING, snapshot
from tray_with_icon import TrayWithIcon

from fake_desktop import need
from waiting import until

STOP = float(os.environ.get("FAULT_STOP_SECONDS", "8"))
RECOVERY = 10.0  # s; it takes at most 5 on a machine that has nothing else to do

pytestmark = [pytest.mark.desktop, pytest.mark.fault, pytest.mark.timeout(120 + STOP)]


@pytest.mark.parametrize("name", ["xfce4-panel", "dunst", "bus"])
def test_a_desktop_that_was_stopped_shows_the_icon_and_one_notification(tray: TrayWithIcon, name: str) -> None:
    need("dunst")
    desk = tray.desk

    def send(number: int) -> None:
        desk.bus.signal(number) if name == "bus" else desk.signal(name, number)

    def asks(number: int) -> None:
        plugin.event("permission.asked", **{**REQUEST, "id": f"per_{number}", "metadata": {"command": f"run {number}"}})

    def is_answered(number: int) -> None:
        plugin.event("permission.replied", sessionID=SES, requestID=f"per_{number}", reply="once")

    def displayed() -> str:
        return desk.run("dunstctl", "count", "displayed").strip()

    def reports(waiting: int) -> None:
        """Wait for the report of the tray, which waits for no part of the desktop."""
        until(lambda: tray.home.status()["attention"]["waiting"] == waiting, f"{waiting} in the report", 10)

    desk.start_notifications("dunst")
    with tray.plugin() as plugin:
        plugin.answer_pings()
        plugin.send(snapshot())
        tray.icon(BUSY)
        asks(1)
        until(lambda: displayed() == "1", "the first notification")
        send(signal.SIGSTOP)
        try:
            is_answered(1)
            reports(0)
            asks(2)
            time.sleep(STOP / 2)
            is_answered(2)
            asks(3)
            reports(1)
            time.sleep(STOP / 2)
        finally:
            send(signal.SIGCONT)
        until(lambda: desk.find(WAITING), "the icon", RECOVERY)
        until(lambda: displayed() == "1", f"one notification; there are {displayed()}", RECOVERY)
        is_answered(3)
        until(lambda: desk.find(BUSY), "the icon", RECOVERY)
        until(lambda: displayed() == "0", f"no notification; there are {displayed()}", RECOVERY)
        shown = [text.rpartition("run ")[2][:1] for text in desk.shown_notifications()]
        assert shown[0] == "3", shown
        assert len(shown) == len(set(shown)), shown
        plugin.event("session.status", sessionID=SES, status={"type": "idle"})
        until(lambda: desk.find(BUSY) is None, "another icon", RECOVERY)
