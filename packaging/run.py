#!/usr/bin/env python3
"""From a checkout to a running tray in one command: makes an environment, installs, puts the plugin in place, starts.

Needs nothing but Python 3.10 or newer. Arguments are passed on to `opencode-tray run`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "tray", "plugin", "assets")


def environment_folder() -> Path:
    """Where this program keeps its own environment."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "opencode-tray" / "venv"


def source_hash() -> str:
    """What is installed is up to date as long as this stays the same."""
    digest = hashlib.sha256(sys.version.encode())
    for name in SOURCES:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def step(what: str, command: list[str]) -> None:
    """Run one step, quietly; where it fails, show all that it said, and stop."""
    print(f"{what} …", flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout)
        sys.exit(f"{what} failed; above is what it said.")


def _has_pip(python: Path) -> bool:
    """Whether the environment is whole: an attempt may have been cut short, or its Python replaced."""
    check = [str(python), "-m", "pip", "--version"]
    return python.exists() and subprocess.run(check, capture_output=True, check=False).returncode == 0


def prepare(folder: Path) -> Path:
    """Afterwards the environment holds this checkout's program; returns its Python."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = folder / "installed"
    wanted = source_hash()
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    if not _has_pip(python):
        try:
            import ensurepip  # noqa: F401, PLC0415  # Debian ships it apart
        except ImportError:
            name = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
            sys.exit(f"This Python cannot make environments. On Debian or Ubuntu run: sudo apt install {name}")
        step(f"Making an environment in {folder}", [sys.executable, "-m", "venv", "--clear", str(folder)])
    step("Installing", [str(python), "-m", "pip", "install", "--quiet", "--upgrade", str(ROOT)])
    stamp.write_text(wanted, encoding="utf-8")
    return python


def main() -> int:
    """Prepare, install the plugin, run."""
    if sys.version_info < (3, 10):
        sys.exit(f"OpenCode Tray needs Python 3.10 or newer; this is {sys.version.split()[0]}.")
    python = prepare(environment_folder())
    tray = [str(python), "-I", "-m", "tray"]  # isolated: this folder has a `tray` as well
    installed = subprocess.run([*tray, "install-plugin"], check=False).returncode
    if installed != 0:
        return installed
    try:
        return subprocess.run([*tray, "run", *sys.argv[1:]], check=False).returncode
    except KeyboardInterrupt:  # the tray got it as well, and ends by itself
        return 0


if __name__ == "__main__":
    sys.exit(main())
