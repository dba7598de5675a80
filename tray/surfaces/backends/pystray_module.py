"""Imports pystray without its choice of a back end, which would open X or GTK at import, or raise."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any


def pystray_module(name: str) -> Any:
    """Return a private module of pystray, such as `_base` or `_gtk`. Raises whatever a back end raises at import."""
    previous = os.environ.get("PYSTRAY_BACKEND")
    os.environ["PYSTRAY_BACKEND"] = "dummy"
    try:
        return import_module(f"pystray.{name}")
    finally:  # child processes must not inherit it
        if previous is None:
            del os.environ["PYSTRAY_BACKEND"]
        else:
            os.environ["PYSTRAY_BACKEND"] = previous
