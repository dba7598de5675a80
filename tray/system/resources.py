"""Files shipped with the program: beside the code in a wheel, at the top of the tree in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_CHECKOUT = _PACKAGE.parent


def _found(name: str) -> Path:
    shipped = _PACKAGE / name
    return shipped if shipped.exists() else _CHECKOUT / name


def plugin_source() -> Path:
    """Return the plugin file to install into OpenCode."""
    return _found("plugin/opencode-tray.js")


def app_icon() -> Path | None:
    """Return the application icon for notifications, or None if it is missing."""
    icon = _found("assets/opencode-tray.png")
    return icon if icon.exists() else None


def windows_icon() -> Path:
    """Return the application icon for shortcuts of Windows, in several sizes."""
    return _found("assets/opencode-tray.ico")


def app_drawing() -> Path:
    """Return the application icon as SVG."""
    return _found("assets/opencode-tray.svg")


def toast_image(reason: str) -> Path | None:
    """Return the image for notifications with this reason, or None if it is missing."""
    file = _found(f"assets/toasts/{reason}.png")
    return file if file.exists() else None


def sound_file(reason: str) -> Path:
    """Return the sound for notifications with this reason."""
    return _found(f"assets/sounds/{reason}.wav")
