"""Sandboxes in which the tray cannot do its work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from tray.core.errors import UserError

FLATPAK_INFO = Path("/.flatpak-info")  # exists in each sandbox of Flatpak (flatpak-metadata(5))
# What the Store installs is in this folder, and gets private copies of the user's folders and registry
# (https://docs.python.org/3/using/windows.html#known-issues).
STORE_FOLDER = ("windowsapps", "pythonsoftwarefoundation.python")


class Sandbox(NamedTuple):
    """A sandbox in which the tray cannot work."""

    problem: str
    advice: str


class SandboxError(UserError):
    """The tray cannot work in this sandbox; the text says why, and what to do."""

    is_usage = True


def refuse_sandbox() -> None:
    """Raise SandboxError in a sandbox in which the tray cannot work."""
    if (sandbox := find_sandbox()) is not None:
        raise SandboxError(f"{sandbox.problem}. {sandbox.advice}")


def find_sandbox(
    flatpak_info: Path = FLATPAK_INFO, python: str = sys.base_prefix, platform: str = sys.platform
) -> Sandbox | None:
    """Return the sandbox in which this program runs, if the tray cannot work in it."""
    if platform == "linux" and flatpak_info.exists():
        return Sandbox(
            "this is a Flatpak sandbox: it hides the agents' processes and files, your terminals and the login entry",
            "Install and start the tray outside of it, for example with: flatpak-spawn --host opencode-tray",
        )
    parts = python.lower().replace("/", "\\").split("\\")
    if platform == "win32" and all(any(part.startswith(name) for part in parts) for name in STORE_FOLDER):
        return Sandbox(
            "the Microsoft Store's Python gives programs private copies of your folders: agents would not find the"
            " tray, and it would not start at login",
            "Use a Python of uv or python.org, or the setup program",
        )
    return None
