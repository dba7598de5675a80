"""The icon through GTK's own status icon: older panels and trays, where PyGObject is installed."""

from __future__ import annotations

from typing import Any

from tray.surfaces.backends.pystray_gtk_base import GtkLoop
from tray.surfaces.backends.pystray_module import pystray_module

_Base: Any = pystray_module("_gtk").Icon


class Icon(GtkLoop, _Base):  # type: ignore[misc]  # pystray ships no types
    """pystray's GTK icon with its traps put right."""
