"""The interface of every kind of tray icon."""

from __future__ import annotations

from typing import Protocol

from tray.surfaces.menu.view import TrayView


class TrayUnavailable(Exception):  # noqa: N818  # a property of the desktop, not an error
    """This kind of icon cannot be shown here; the message says why."""


class TrayIcon(Protocol):
    """An icon in the tray with its menu. It runs on the main thread, as macOS requires."""

    @property
    def name(self) -> str:
        """The kind: "StatusNotifierItem", "appindicator", "gtk", "xorg", "darwin" or "win32"."""

    @property
    def has_menu(self) -> bool:
        """Whether the menu can be opened; if not, a click runs the menu's default command."""

    def run(self) -> None:
        """Show the icon until `stop`. Raises TrayUnavailable if it cannot be shown."""

    def show(self, view: TrayView) -> None:
        """Show this view. May be called from any thread at any time."""

    def stop(self) -> None:
        """Remove the icon; `run` returns within 1 s. May be called from any thread at any time."""
