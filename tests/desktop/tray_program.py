"""Show a pystray icon and print the commands of clicked rows. Usage: tray_program.py KIND [FILE_DESCRIPTOR].

A left click turns the icon red; SIGTERM ends the program through Python's own handler. A byte from the pipe with this
descriptor adds a row on top of the menu and turns the icon green.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from tray.core.commands import Command, OpenNextSession, OpenSession
from tray.core.sessions import SessionKey, Status
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
    def execute(command: Command) -> None:
        print(command, flush=True)
        if command == OpenNextSession():
            icon.show(ALARM)

    icon = PystrayIcon(kind, "opencode-tray", CALM, execute)
    signal.signal(signal.SIGTERM, lambda *_: icon.stop())
    if pipe:
        threading.Thread(target=lambda: os.read(int(pipe), 1) and icon.show(NEWER), daemon=True).start()
    icon.run()
    print("ended", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
