"""Starting the tray at login, and no longer."""

from __future__ import annotations

from tray.core.errors import UserError
from tray.system.autostart import Autostart, own_command


class AutostartError(UserError):
    """The entry cannot be written or removed; the message says what to do."""


def install_autostart(entry: Autostart) -> str:
    """Afterwards the tray starts at each login. Says what was written. Raises AutostartError."""
    try:
        if entry.read() == own_command():
            return f"The tray starts at login already: {entry.place}"
        entry.write(own_command())
    except OSError as error:
        raise AutostartError(f"{entry.place} cannot be written: {error}") from error
    return f"Wrote {entry.place}; the tray starts at your next login"


def uninstall_autostart(entry: Autostart) -> str:
    """Afterwards it does not. Says what was removed. Raises AutostartError."""
    try:
        removed = entry.remove()
    except OSError as error:
        raise AutostartError(f"{entry.place} cannot be removed: {error}") from error
    return f"Removed {entry.place}" if removed else "The tray was not started at login"
