"""The icon through GTK's status icon: for XEmbed trays, if PyGObject is installed."""

from __future__ import annotations

from typing import Any

from tray.surfaces.backends.pystray_gtk_base import GtkIcon
from tray.surfaces.backends.pystray_module import pystray_module

_Base: Any = pystray_module("_gtk").Icon


class Icon(GtkIcon, _Base):  # type: ignore[misc]  # pystray ships no types
    """pystray's GTK icon with the fixes of GtkIcon."""
