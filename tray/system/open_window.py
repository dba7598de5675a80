"""A window on the desktop."""

from __future__ import annotations

import msgspec


class OpenWindow(msgspec.Struct, frozen=True):
    """A window of the process `pid`. `number` is its X11 window ID, or 0."""

    pid: int
    focused: bool
    title: str = ""
    number: int = 0
