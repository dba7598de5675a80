"""Copy text to the system clipboard."""

from __future__ import annotations

import asyncio
import sys
import threading

from tray.system.subprocesses import run
from tray.system.tasks import call_on_loop

TIMEOUT = 3.0  # s; a clipboard program hangs if the display does not answer


async def copy(text: str) -> bool:
    """Copy the text to the clipboard. Returns whether that succeeded.

    Uses the platform's clipboard or, on Linux, wl-copy, xclip or xsel if installed. On an X display without these, the
    tray itself owns the clipboard for as long as it runs.
    """
    if sys.platform == "darwin":
        # pyperclip would call AppKit, which is not safe on this thread. pbcopy reads its input in the encoding of the
        # locale, which launchd does not set.
        return (await run(["pbcopy"], timeout=TIMEOUT, environment={"LC_ALL": "en_US.UTF-8"}, stdin=text)).ok
    if not await _copied(text):
        if sys.platform != "linux":
            return False
        from tray.system.x11_clipboard import offer  # noqa: PLC0415  # Linux only

        return await asyncio.to_thread(offer, text)
    return True


async def _copied(text: str) -> bool:
    """Copy with pyperclip, in a daemon thread so that a hung clipboard program cannot block our exit."""
    loop = asyncio.get_running_loop()
    copied: asyncio.Future[bool] = loop.create_future()

    def finish(ok: bool) -> None:  # noqa: FBT001  # called by the loop
        if not copied.done():
            copied.set_result(ok)

    def work() -> None:
        import pyperclip  # noqa: PLC0415  # slow to import

        try:
            pyperclip.copy(text)
        except Exception:  # noqa: BLE001  # no program, no display, or a failure
            ok = False
        else:
            ok = True
        call_on_loop(loop, finish, ok)

    threading.Thread(target=work, name="clipboard", daemon=True).start()
    try:
        async with asyncio.timeout(TIMEOUT):
            return await copied
    except TimeoutError:
        return False
