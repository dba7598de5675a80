"""What every tray icon can do."""

from __future__ import annotations

from typing import Protocol

from tray.surfaces.menu.view import TrayView


class TrayUnavailable(Exception):  # noqa: N818  # a fact about the desktop, not a mistake
    """This kind of icon cannot be shown here; the text says why."""


class TrayIcon(Protocol):
    """An icon in the tray with its menu. Built, then run on the main thread, where macOS wants it."""

    @property
    def name(self) -> str:
        """Which kind: "StatusNotifierItem", "appindicator", "gtk", "xorg", "darwin" or "win32"."""

    @property
    def has_menu(self) -> bool:
        """Whether the menu can be opened; if not, a click chooses the menu's default."""

    def run(self) -> None:
        """Show the icon until `stop`. Raises TrayUnavailable if it cannot be shown."""

    def show(self, view: TrayView) -> None:
        """Show this from now on; from any thread, at any time."""

    def stop(self) -> None:
        """Take the icon away; from any thread, at any time. `run` returns within 1 s."""
