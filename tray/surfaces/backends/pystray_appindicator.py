"""The icon through libayatana-appindicator, which falls back to an XEmbed tray by itself."""

from __future__ import annotations

from typing import Any

from tray.surfaces.backends.pystray_gtk_base import GtkIcon
from tray.surfaces.backends.pystray_module import pystray_module

_Base: Any = pystray_module("_appindicator").Icon


class Icon(GtkIcon, _Base):  # type: ignore[misc]  # pystray ships no types
    """pystray's AppIndicator icon with the fixes of GtkIcon."""
