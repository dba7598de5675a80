"""Putting a text on the clipboard so that it stays there."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress

TIMEOUT = 3.0  # s; a clipboard program may wait for a display that does not answer


async def copy(text: str) -> bool:
    """Whether the text is on the clipboard now, where it outlives the menu that it was chosen from.

    The platform's own clipboard, or wl-copy, xclip or xsel where one is installed; on a bare X display we keep the
    text ourselves, for as long as the tray runs.
    """
    if not await _copied(text):
        if sys.platform != "linux":
            return False
        from tray.system.x11_clipboard import offer  # noqa: PLC0415  # no other platform has it

        return await asyncio.to_thread(offer, text)
    return True


async def _copied(text: str) -> bool:
    """Whether the platform's clipboard took it. In a thread of its own, which a hung program cannot keep us by."""
    loop = asyncio.get_running_loop()
    copied: asyncio.Future[bool] = loop.create_future()

    def settle(done: bool) -> None:  # noqa: FBT001  # called by the loop
        if not copied.done():
            copied.set_result(done)

    def work() -> None:
        import pyperclip  # noqa: PLC0415  # not needed at the start

        try:
            pyperclip.copy(text)
        except Exception:  # noqa: BLE001  # no program, no display, or one that fails: all the same here
            done = False
        else:
            done = True
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, done)

    threading.Thread(target=work, name="clipboard", daemon=True).start()
    try:
        async with asyncio.timeout(TIMEOUT):
            return await copied
    except TimeoutError:
        return False
