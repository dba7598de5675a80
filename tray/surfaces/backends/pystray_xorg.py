"""The icon in XEmbed trays, if no other kind is possible: it has a left click, but no menu."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from select import select
from typing import Any

from PIL import Image

from tray.core.commands import Command
from tray.surfaces.backends.pystray_module import pystray_module
from tray.surfaces.backends.pystray_toolkit import ToolkitIcon
from tray.surfaces.icon import draw
from tray.surfaces.menu.view import TrayView

log = logging.getLogger(__name__)

BACKGROUND = (46, 46, 46)  # RGB, if the tray's colour cannot be read

_Base: Any = pystray_module("_xorg").Icon
_X = import_module("Xlib.X")
_errors: Any = import_module("Xlib.error")


class Icon(ToolkitIcon, _Base):  # type: ignore[misc]  # pystray ships no types
    """pystray's icon, with a working left click, and docking to trays that start later or again."""

    reopens = True
    _systray_manager: Any
    _icon_data: Image.Image | None

    def __init__(self, app_id: str, view: TrayView, on_command: Callable[[Command], None]) -> None:
        super().__init__(app_id, view, on_command)
        self._wake_sender, self._wake_receiver = socket.socketpair()
        self._retry_at: float | None = None
        self._other_messages = self._message_handlers[_X.ClientMessage]
        self._message_handlers[_X.ClientMessage] = self._on_message

    def wake(self) -> None:
        """Wake the event loop, through a socket: python-xlib loses events that one thread sends while another waits."""
        with suppress(OSError):  # the icon has just been closed
            self._wake_sender.send(b".")

    def retry_in(self, seconds: float) -> None:
        """Make the event loop call `retry` after this time."""
        self._retry_at = time.monotonic() + seconds

    def _create_atoms(self) -> None:
        super()._create_atoms()
        self._manager_atom = self._display.intern_atom("MANAGER")
        self._name_atom = self._display.intern_atom("_NET_WM_NAME")
        self._utf8_atom = self._display.intern_atom("UTF8_STRING")

    def _create_window(self) -> Any:
        window = super()._create_window()
        # pystray does not subscribe to clicks.
        window.change_attributes(event_mask=_X.ExposureMask | _X.StructureNotifyMask | _X.ButtonPressMask)
        # A tray that starts later announces itself on the root window.
        self._display.screen().root.change_attributes(event_mask=_X.StructureNotifyMask)
        return window

    def _run(self) -> None:
        self._thread = threading.current_thread()  # pystray sets it too late
        try:
            super()._run()
        finally:
            with suppress(_errors.ConnectionClosedError, OSError):
                self._display.close()
            self._wake_sender.close()
            self._wake_receiver.close()

    def _events(self) -> Iterator[Any]:
        while True:
            self._display.flush()  # before pending_events: python-xlib reads events when it sends
            if self._display.pending_events():
                yield self._display.next_event()
            elif self._wake_receiver in select([self._display, self._wake_receiver], [], [], self._until_retry())[0]:
                self._wake_receiver.recv(4096)
                self.run_posted()
            elif self._until_retry() == 0:
                self._retry_at = None
                self.retry()

    def _until_retry(self) -> float | None:
        return None if self._retry_at is None else max(0.0, self._retry_at - time.monotonic())

    def _show(self) -> None:
        tray = self._get_systray_manager()
        if tray is None:
            log.info("no XEmbed tray is running yet; waiting for one")
        elif tray != self._systray_manager:  # trayer loses an icon that docks a second time
            self._dock(tray)

    def _dock(self, tray: Any) -> None:
        tray_ended = _errors.CatchError(_errors.BadWindow)
        tray.change_attributes(event_mask=_X.StructureNotifyMask, onerror=tray_ended)
        self._display.sync()
        if tray_ended.get_error() is None:
            self._systray_manager = tray
            self._send_message(tray, self._net_system_tray_opcode, self._SYSTEM_TRAY_REQUEST_DOCK, self._window.id)
            self._display.flush()

    def _get_systray_manager(self) -> Any:
        # pystray grabs the X server for this call; if this process were stopped then, the screen would stay frozen.
        owner = self._display.get_selection_owner(self._net_system_tray_sx)
        return None if owner == _X.NONE else owner

    def _update_icon(self) -> None:
        self._icon_data = None
        self._icon_valid = True
        self._draw()

    def _update_title(self) -> None:
        # pystray writes Latin-1 only, and raises for other characters.
        self._window.change_property(self._name_atom, self._utf8_atom, 8, self.title.encode("utf-8", "replace"))
        self._display.flush()

    def _assert_icon_data(self, width: int, height: int) -> None:
        if self._icon_data is not None and self._icon_data.size == (width, height):
            return
        size = min(width, height)
        image = Image.new("RGB", (width, height), self._background())
        icon = draw(self._view.icon, size)
        image.paste(icon, ((width - size) // 2, (height - size) // 2), icon)
        image.tostring = image.tobytes  # type: ignore[attr-defined]  # python-xlib uses Pillow's old name
        self._icon_data = image

    def _background(self) -> tuple[int, int, int]:
        """Return the colour beside the icon, as the icon's window cannot be transparent."""
        root = self._display.screen().root
        try:
            corner = root.translate_coords(self._window, 0, 0)
            beside = root.get_image(max(0, corner.x - 1), corner.y + 1, 1, 1, _X.ZPixmap, 0xFFFFFF).data
        except _errors.XError:  # outside the screen, or not shown yet
            return BACKGROUND
        blue, green, red = beside[:3]
        return red, green, blue

    def _on_message(self, event: Any) -> None:
        if event.client_type == self._manager_atom and event.data[1][1] == self._net_system_tray_sx:
            self._show()
        else:
            self._other_messages(event)

    def _on_destroy_notify(self, event: Any) -> None:
        if self._systray_manager is not None and event.window.id == self._systray_manager.id:
            self._systray_manager = None
            self._window.unmap()
            self._display.flush()
