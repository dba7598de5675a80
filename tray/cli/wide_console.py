"""A console that neither wraps nor cuts the lines of a table that another program reads."""

from __future__ import annotations

import sys

from rich.console import Console

UNLIMITED = 1000  # columns


def console() -> Console:
    """Return a console for stdout: as wide as the terminal, or without a limit."""
    return Console(width=None if sys.stdout.isatty() else UNLIMITED, highlight=False)
