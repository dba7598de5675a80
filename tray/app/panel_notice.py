"""Tell the user once that the desktop shows no tray icon."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from tray.files.writing import write_privately
from tray.system import tray_host
from tray.system.display import has_display
from tray.system.tasks import TaskSet
from tray.system.tray_host import NO_TRAY_ADVICE

log = logging.getLogger(__name__)

DELAY = 30.0  # s: at login, panels start together with the tray


class PanelNotice:
    """Shows a notification if no panel shows the icon DELAY after its start; only once, also over restarts.

    `mark` is the file that exists once the notification was shown. Lives on the loop's thread.
    """

    def __init__(
        self, mark: Path, tasks: TaskSet, show_message: Callable[[str, str], None], delay: float = DELAY
    ) -> None:
        self._mark = mark
        self._tasks = tasks
        self._show_message = show_message
        self._delay = delay
        self._is_hosted = False

    def start(self) -> None:
        """Expect that a panel shows the icon."""
        self._tasks.spawn(self._check(), "check for a panel")

    def set_hosted(self, hosted: bool) -> None:  # noqa: FBT001  # a callback
        """Set whether a panel shows the icon."""
        log.info("a panel shows the icon" if hosted else "no panel shows the icon")
        self._is_hosted = hosted

    async def _check(self) -> None:
        await asyncio.sleep(self._delay)
        if self._is_hosted or (await tray_host.find()).shows:  # a tray of X11 shows it without a panel's knowledge
            return
        log.warning("the desktop shows no tray icons; %s", NO_TRAY_ADVICE)
        if has_display() and not await asyncio.to_thread(self._mark.exists):
            self._show_message("The icon is not visible", f"This desktop shows no tray icons: {NO_TRAY_ADVICE}")
            await asyncio.to_thread(self._write_mark)

    def _write_mark(self) -> None:
        try:
            write_privately(self._mark, "")
        except OSError as error:
            log.warning("cannot write %s: %s", self._mark, error)
