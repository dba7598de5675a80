"""Putting a text on the clipboard so that it stays there."""

from __future__ import annotations

import asyncio
import sys

import pyperclip

TIMEOUT = 3.0  # s; a clipboard program may wait for a display that does not answer


async def copy(text: str) -> bool:
    """Whether the text is on the clipboard now, where it outlives the menu that it was chosen from.

    The platform's own clipboard, or wl-copy, xclip or xsel where one is installed; on a bare X display we keep the
    text ourselves, for as long as the tray runs.
    """
    try:
        await asyncio.wait_for(asyncio.to_thread(pyperclip.copy, text), TIMEOUT)
    except (pyperclip.PyperclipException, OSError, asyncio.TimeoutError):
        if sys.platform != "linux":
            return False
        from tray.system.x11_selection import offer  # noqa: PLC0415  # no other platform has it

        return await asyncio.to_thread(offer, text)
    return True
