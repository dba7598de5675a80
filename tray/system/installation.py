"""What is installed here: versions, and where."""

from __future__ import annotations

import platform
from pathlib import Path

from tray import __version__
from tray.system.own_program import IS_BUNDLE


def installed_as() -> str:
    """Return the version of the tray, and how and where it is installed."""
    kind = "a bundle" if IS_BUNDLE else "Python packages"
    return f"{__version__}, {kind} in {Path(__file__).parents[2]}"


def python_version() -> str:
    """Return the version and the kind of the Python that runs this."""
    return f"Python {platform.python_version()} ({platform.python_implementation()})"
