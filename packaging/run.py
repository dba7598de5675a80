#!/usr/bin/env python3
"""From a checkout to a running tray in one command: makes an environment, installs, puts plugin and command in place.

Needs nothing but Python 3.11 or newer. Arguments are passed on to `opencode-tray run`, which is started.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "tray", "plugin", "assets")


def environment_folder() -> Path:
    """Where this program keeps its own environment."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif os.environ.get("XDG_DATA_HOME"):
        base = Path(os.environ["XDG_DATA_HOME"])
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path.home() / ".local" / "share"
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


def prepare(folder: Path) -> tuple[Path, bool]:
    """Afterwards the environment holds this checkout's program. Returns its Python, and whether that is new."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = folder / "installed"
    wanted = source_hash()
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python, False
    if not _has_pip(python):
        try:
            import ensurepip  # noqa: F401, PLC0415  # Debian ships it apart
        except ImportError:
            name = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
            sys.exit(f"This Python cannot make environments. On Debian or Ubuntu run: sudo apt install {name}")
        step(f"Making an environment in {folder}", [sys.executable, "-m", "venv", "--clear", str(folder)])
    step("Installing", [str(python), "-m", "pip", "install", "--quiet", "--upgrade", str(ROOT)])
    stamp.write_text(wanted, encoding="utf-8")
    return python, True


def show_help() -> int:
    """Say what this does, and what `run` takes; nothing is installed or written for that."""
    print(__doc__.strip(), flush=True)
    print(f"The environment goes to {environment_folder()}, the command to ~/.local/bin.\n", flush=True)
    tray = [sys.executable, "-B", "-m", "tray"]  # as it is here: its help needs nothing but Python
    return subprocess.run([*tray, "run", "--help"], cwd=ROOT, check=False).returncode


def say_what_is_next(python: Path) -> None:
    """For the person who has just installed it."""
    command = "opencode-tray" if shutil.which("opencode-tray") else str(python.with_name("opencode-tray"))
    print("OpenCode Tray is installed, and starts now. What to do next:")
    print("  Start `opencode`. One that runs already has to be started again, once, to load the plugin.")
    print(f"  In another terminal, `{command} status` shows the sessions; `{command} demo` shows simulated ones.")
    print(f"  Ctrl-C stops the tray. `{command} install` starts it at each login.", flush=True)


def main() -> int:
    """Prepare, install the plugin and the command, run."""
    if sys.version_info < (3, 11):
        sys.exit(f"OpenCode Tray needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    if {"-h", "--help"} & set(sys.argv[1:]):
        return show_help()
    python, is_new = prepare(environment_folder())
    tray = [str(python), "-I", "-m", "tray"]  # isolated: this folder has a `tray` as well
    installed = subprocess.run([*tray, "install-plugin"], check=False).returncode
    if installed != 0:
        return installed
    if is_new:
        subprocess.run([*tray, "install-command"], check=False)  # it says what is wrong; the tray runs without
        say_what_is_next(python)
    command = [*tray, "run", *sys.argv[1:]]
    if sys.platform != "win32":
        os.execv(command[0], command)  # noqa: S606  # this process becomes the tray, so a signal for one ends the other
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:  # the tray got it as well, and ends by itself
        return 0


if __name__ == "__main__":
    sys.exit(main())
