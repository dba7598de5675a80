"""One window on the desktop, as every way of asking for windows tells it."""

from __future__ import annotations

import msgspec


class OpenWindow(msgspec.Struct, frozen=True):
    """A window of a program. `number` is X11's id of it, or 0."""

    pid: int
    focused: bool
    title: str = ""
    number: int = 0
