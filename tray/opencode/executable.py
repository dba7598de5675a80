"""Which OpenCode is meant on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from tray.core.settings import OPENCODE, Settings


def opencode_program(settings: Settings) -> str:
    """What is set, else what is on the PATH, else where its installer puts it."""
    usual = str(Path.home() / ".opencode" / "bin" / "opencode")
    return settings[OPENCODE] or shutil.which("opencode") or shutil.which(usual) or "opencode"
