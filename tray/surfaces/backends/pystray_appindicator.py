"""The icon through libayatana-appindicator, which finds an older tray by itself where there is no newer panel."""

from __future__ import annotations

from typing import Any

from tray.surfaces.backends.pystray_gtk_base import GtkLoop
from tray.surfaces.backends.pystray_module import pystray_module

_Base: Any = pystray_module("_appindicator").Icon


class Icon(GtkLoop, _Base):  # type: ignore[misc]  # pystray ships no types
    """pystray's AppIndicator icon with its traps put right."""
