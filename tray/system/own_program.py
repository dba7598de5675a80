"""The command that runs this installation: Python with our modules, or the executable of a bundle."""

from __future__ import annotations

import sys
from pathlib import Path

# In a bundle, `sys.executable` is `opencode-tray`. It also takes what Python takes to run one of our modules
# (packaging/bundle/entry.py).
IS_BUNDLE = bool(getattr(sys, "frozen", False))


def own_python(executable: str = sys.executable) -> str:
    """Return the program that runs our modules and prints: Python, or the executable of the bundle.

    A tray that was started at login on Windows runs in pythonw.exe or opencode-trayw.exe, which print nothing.
    """
    path = Path(executable)
    beside = path.with_name(f"{path.stem.removesuffix('w')}.exe")
    return str(beside) if path.name.endswith("w.exe") and beside.exists() else executable


def own_command(*words: str) -> list[str]:
    """Return the command that runs `opencode-tray WORDS`."""
    return [own_python(), *words] if IS_BUNDLE else [own_python(), "-I", "-m", "tray", *words]


def own_command_without_console(*words: str) -> list[str]:
    """Return the same command without a console window, which Windows opens for python.exe and opencode-tray.exe."""
    program, *rest = own_command(*words)
    path = Path(program)
    windowed = path.with_name(f"{path.stem}w.exe")
    return [str(windowed) if path.suffix == ".exe" and windowed.exists() else program, *rest]
