"""`--version --verbose`: what to write into a report of a problem."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from tray.cli.exit_codes import OK
from tray.system.installation import installed_as, python_version
from tray.system.own_program import IS_BUNDLE, own_python

LIBRARIES = ("aiohttp", "desktop-notifier", "pystray", "pillow", "msgspec")


def print_details(_: object) -> int:
    """Print versions and paths. Nothing of them is secret."""
    print(f"opencode-tray {installed_as()}")
    print(f"{python_version()}, {own_python()}")
    print(f"{platform.platform()}, {platform.machine()}, {sys.platform}")
    print(", ".join(f"{name} {_version_of(name)}" for name in LIBRARIES))
    return OK


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # a bundle has no metadata of packages
        return "in the bundle" if IS_BUNDLE else "missing"
