"""The icon in trays made of X windows (XEmbed), where nothing else can be: a picture and a left click, no menu."""

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

BEHIND = (46, 46, 46)  # RGB, where the tray's own colour cannot be read

_Base: Any = pystray_module("_xorg").Icon
_X = import_module("Xlib.X")
_ConnectionClosedError: Any = import_module("Xlib.error").ConnectionClosedError
_XError: Any = import_module("Xlib.error").XError


class Icon(ToolkitIcon, _Base):  # type: ignore[misc]  # pystray ships no types
    """pystray's icon, with the left click alive, and docking to trays that come later or again."""

    comes_back = True
    _systray_manager: Any
    _icon_data: Image.Image | None

    def __init__(self, app_id: str, view: TrayView, choose: Callable[[Command], None]) -> None:
        super().__init__(app_id, view, choose)
        self._waker, self._woken = socket.socketpair()
        self._retry_at: float | None = None
        self._other_messages = self._message_handlers[_X.ClientMessage]
        self._message_handlers[_X.ClientMessage] = self._on_message

    def wake(self) -> None:
        """Wake the event loop. Not through X: python-xlib loses events that one thread sends while another waits."""
        with suppress(OSError):  # the icon has just ended
            self._waker.send(b".")

    def retry_in(self, seconds: float) -> None:
        """Have `retry` called by the event loop."""
        self._retry_at = time.monotonic() + seconds

    def _create_atoms(self) -> None:
        super()._create_atoms()
        self._manager_atom = self._display.intern_atom("MANAGER")
        self._name_atom = self._display.intern_atom("_NET_WM_NAME")
        self._utf8_atom = self._display.intern_atom("UTF8_STRING")

    def _create_window(self) -> Any:
        window = super()._create_window()
        # pystray never asks for clicks.
        window.change_attributes(event_mask=_X.ExposureMask | _X.StructureNotifyMask | _X.ButtonPressMask)
        # A tray that comes later says so on the root window.
        self._display.screen().root.change_attributes(event_mask=_X.StructureNotifyMask)
        return window

    def _run(self) -> None:
        self._thread = threading.current_thread()  # pystray sets it after it has been needed
        try:
            super()._run()
        finally:
            with suppress(_ConnectionClosedError, OSError):
                self._display.close()
            self._waker.close()
            self._woken.close()

    def _events(self) -> Iterator[Any]:
        while True:
            self._display.flush()  # before the look at what has come: python-xlib reads events as it sends
            if self._display.pending_events():
                yield self._display.next_event()
            elif self._woken in select([self._display, self._woken], [], [], self._until_retry())[0]:
                self._woken.recv(4096)
                self.drain()
            elif self._until_retry() == 0:
                self._retry_at = None
                self.retry()

    def _until_retry(self) -> float | None:
        return None if self._retry_at is None else max(0.0, self._retry_at - time.monotonic())

    def _show(self) -> None:
        if self._get_systray_manager() is None:
            log.info("no tray is there yet; the icon waits for one")
        else:
            super()._show()

    def _get_systray_manager(self) -> Any:
        # pystray stops the whole screen for this question; if we were stopped then, it would stay so.
        owner = self._display.get_selection_owner(self._net_system_tray_sx)
        return None if owner == _X.NONE else owner

    def _update_icon(self) -> None:
        self._icon_data = None
        self._icon_valid = True
        self._draw()

    def _update_title(self) -> None:
        # pystray writes Latin-1 only, and raises for the rest.
        self._window.change_property(self._name_atom, self._utf8_atom, 8, self.title.encode("utf-8", "replace"))
        self._display.flush()

    def _assert_icon_data(self, width: int, height: int) -> None:
        if self._icon_data is not None and self._icon_data.size == (width, height):
            return
        size = min(width, height)
        picture = Image.new("RGB", (width, height), self._colour_behind())
        drawn = draw(self._view.icon, size)
        picture.paste(drawn, ((width - size) // 2, (height - size) // 2), drawn)
        picture.tostring = picture.tobytes  # type: ignore[attr-defined]  # python-xlib knows the old name only
        self._icon_data = picture

    def _colour_behind(self) -> tuple[int, int, int]:
        """What stands beside the icon, as its window cannot be see-through."""
        root = self._display.screen().root
        try:
            corner = root.translate_coords(self._window, 0, 0)
            beside = root.get_image(max(0, corner.x - 1), corner.y + 1, 1, 1, _X.ZPixmap, 0xFFFFFF).data
        except _XError:  # off the screen, or not yet on it
            return BEHIND
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
