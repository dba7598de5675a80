"""Report why the tray does not start, also to a user who started it without a console."""

from __future__ import annotations

import logging
import os
import sys

from tray.cli.log_file import log_to
from tray.system.message_box import show_error
from tray.system.paths import Paths

log = logging.getLogger(__name__)


def report(message: str, *, headless: bool) -> None:
    """Print the message. Without stderr, as under pythonw, log it, and show it in a window until the user closes it.

    `headless`: no user may be there to close a window.
    """
    if sys.stderr is not None:
        print(f"opencode-tray: {message}", file=sys.stderr)
        return
    log.error("%s", message)
    if not headless:
        show_error(message)


def report_before_the_log(message: str, *, headless: bool) -> None:
    """Report a failure that happened before the log was opened."""
    if sys.stderr is None:
        log_to(Paths.of(os.environ).log, debug=False)
    report(message, headless=headless)
