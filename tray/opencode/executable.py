"""Find the OpenCode executable."""

from __future__ import annotations

import shutil
from pathlib import Path

from tray.core.settings import OPENCODE, Settings


def opencode_program(settings: Settings) -> str:
    """Return the configured program, else the one on the PATH or in the installer's folder, else "opencode"."""
    default = str(Path.home() / ".opencode" / "bin" / "opencode")
    return settings[OPENCODE] or shutil.which("opencode") or shutil.which(default) or "opencode"
