"""A mouse for a Wayland compositor of the wlroots family, by its protocol `wlr-virtual-pointer-unstable-v1`."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path

MANAGER = "zwlr_virtual_pointer_manager_v1"
BUTTONS = {1: 0x110, 2: 0x112, 3: 0x111}  # of X11: of the kernel
DISPLAY = 1  # the number of the first object; a client numbers its objects in the order in which it makes them
SYNC, GET_REGISTRY, BIND, CREATE_POINTER, MOTION_ABSOLUTE, BUTTON, FRAME = 0, 1, 0, 0, 1, 2, 4  # requests


class WaylandMouse:
    """A pointer device that exists until `close`."""

    def __init__(self, display: Path, width: int, height: int) -> None:
        """`display` is the compositor's socket; its screen has this size in pixels."""
        self._size = (width, height)
        self._objects = DISPLAY
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(str(display))
        self._reader = self._socket.makefile("rb")
        registry = self._new()
        self._send(DISPLAY, GET_REGISTRY, struct.pack("=I", registry))
        name = self._globals(registry)[MANAGER]
        interface = MANAGER.encode() + b"\0"
        text = struct.pack("=I", len(interface)) + interface.ljust((len(interface) + 3) // 4 * 4, b"\0")
        manager = self._new()
        self._send(registry, BIND, struct.pack("=I", name) + text + struct.pack("=II", 1, manager))
        self._pointer = self._new()
        self._send(manager, CREATE_POINTER, struct.pack("=II", 0, self._pointer))
        self._synchronise()

    def move(self, x: int, y: int) -> None:
        """Move the pointer to this place."""
        self._send(self._pointer, MOTION_ABSOLUTE, struct.pack("=5I", _now(), x, y, *self._size))
        self._send(self._pointer, FRAME)
        self._synchronise()

    def click(self, button: int = 1) -> None:
        """Press and release a button: 1 is the left one, 3 the right one."""
        for state in (1, 0):
            self._send(self._pointer, BUTTON, struct.pack("=3I", _now(), BUTTONS[button], state))
            self._send(self._pointer, FRAME)
            self._synchronise()

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def _globals(self, registry: int) -> dict[str, int]:
        """Return the number of each interface that the compositor offers."""
        found = {}
        for sender, event, body in self._synchronise():
            if (sender, event) == (registry, 0):
                name, length = struct.unpack_from("=II", body)
                found[body[8 : 8 + length - 1].decode()] = name
        return found

    def _synchronise(self) -> list[tuple[int, int, bytes]]:
        """Wait until the compositor has handled all requests; return its events: sender, number, content."""
        callback = self._new()
        self._send(DISPLAY, SYNC, struct.pack("=I", callback))
        events = []
        while True:
            sender, size_and_event = struct.unpack("=II", self._reader.read(8))
            body = self._reader.read((size_and_event >> 16) - 8)
            if sender == callback:
                return events
            assert (sender, size_and_event & 0xFFFF) != (DISPLAY, 0), body  # an error
            events.append((sender, size_and_event & 0xFFFF, body))

    def _new(self) -> int:
        self._objects += 1
        return self._objects

    def _send(self, receiver: int, request: int, body: bytes = b"") -> None:
        self._socket.sendall(struct.pack("=II", receiver, (len(body) + 8) << 16 | request) + body)


def _now() -> int:
    """Return milliseconds."""
    return int(time.monotonic() * 1000) & 0xFFFFFFFF
