"""pystray without its own choice of back end, which would open X or GTK at import, or raise."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any


def pystray_module(name: str) -> Any:
    """A private module of pystray, such as `_base` or `_gtk`. Raises what a back end raises that can't work here."""
    chosen = os.environ.get("PYSTRAY_BACKEND")
    os.environ["PYSTRAY_BACKEND"] = "dummy"
    try:
        return import_module(f"pystray.{name}")
    finally:  # programs that we start must not inherit it
        if chosen is None:
            del os.environ["PYSTRAY_BACKEND"]
        else:
            os.environ["PYSTRAY_BACKEND"] = chosen
