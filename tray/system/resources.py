"""Files that come with the program: in the wheel beside the code, in a checkout where their sources are."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_CHECKOUT = _PACKAGE.parent


def _found(name: str) -> Path:
    shipped = _PACKAGE / name
    return shipped if shipped.exists() else _CHECKOUT / name


def plugin_source() -> Path:
    """The plugin as it is installed into OpenCode."""
    return _found("plugin/opencode-tray.js")


def app_icon() -> Path | None:
    """The application's icon for notifications, or None if it is missing."""
    icon = _found("assets/opencode-tray.png")
    return icon if icon.exists() else None


def picture(reason: str) -> Path | None:
    """The picture for a notification's reason, or None if it is missing."""
    file = _found(f"assets/toasts/{reason}.png")
    return file if file.exists() else None


def cue(reason: str) -> Path:
    """The sound for a notification's reason."""
    return _found(f"assets/sounds/{reason}.wav")
