"""The command that runs this installation: Python with our modules, or the executable of a bundle."""

from __future__ import annotations

import sys
from pathlib import Path

# In a bundle, `sys.executable` is `opencode-tray`. It also takes what Python takes to run one of our modules
# (packaging/bundle/entry.py).
IS_BUNDLE = bool(getattr(sys, "frozen", False))


def own_command(*words: str) -> list[str]:
    """Return the command that runs `opencode-tray WORDS`."""
    return [sys.executable, *words] if IS_BUNDLE else [sys.executable, "-I", "-m", "tray", *words]


def own_command_without_console(*words: str) -> list[str]:
    """Return the same command without a console window, which Windows opens for python.exe and opencode-tray.exe."""
    program, *rest = own_command(*words)
    path = Path(program)
    if sys.platform == "win32" and (windowed := path.with_name(f"{path.stem}w.exe")).exists():
        program = str(windowed)
    return [program, *rest]
