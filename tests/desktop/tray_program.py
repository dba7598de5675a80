"""A program with a tray icon of the kind named on its command line. It writes down what was chosen.

A left click turns the icon red; SIGTERM ends the program, through Python's own handler. What comes down the pipe that
is named behind the kind puts another row on top of the menu, and turns the icon green.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from tray.core.commands import Command, OpenNextSession, OpenSession
from tray.core.model import SessionKey, Status
from tray.surfaces.backends.pystray_icon import PystrayIcon
from tray.surfaces.menu.items import Item
from tray.surfaces.menu.view import IconView, TrayView

MENU = (
    Item("next", "Go to next", OpenNextSession(), default=True),
    Item("more", "More", children=(Item("inner", "Inner", OpenSession(SessionKey("server", "inner")), checked=True),)),
    Item("row", "snake_case & <b>bold</b>", OpenSession(SessionKey("server", "row"))),
)
CALM = TrayView(IconView(Status.BUSY), "1 working", MENU)
ALARM = TrayView(IconView(Status.ERROR), "<1 & only> 日本語", MENU[:2])
NEWER = TrayView(
    IconView(Status.IDLE), "another", (Item("new", "New", OpenSession(SessionKey("server", "new"))), *MENU)
)


def main(kind: str, pipe: str = "") -> None:
    def chosen(choice: Command) -> None:
        print(choice, flush=True)
        if choice == OpenNextSession():
            icon.show(ALARM)

    icon = PystrayIcon(kind, "opencode-tray", CALM, chosen)
    signal.signal(signal.SIGTERM, lambda *_: icon.stop())
    if pipe:
        threading.Thread(target=lambda: os.read(int(pipe), 1) and icon.show(NEWER), daemon=True).start()
    icon.run()
    print("ended", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
