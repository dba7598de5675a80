#!/usr/bin/env python3
"""Install OpenCode Tray from this checkout and start it.

Creates an environment, installs the program with the locked dependencies, the plugin and the command, and then starts
`opencode-tray run` with the given arguments. Needs only Python 3.11 or newer.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "packaging" / "requirements.lock"
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "packaging/requirements.lock", "tray", "plugin", "assets")


def environment_folder() -> Path:
    """Return the folder of the program's own environment."""
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
    """Return a hash of Python and of all sources; the installation is up to date while it stays the same."""
    digest = hashlib.sha256(sys.version.encode())
    for name in SOURCES:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def step(what: str, command: list[str]) -> None:
    """Run one step; exit with its output if it fails."""
    print(f"{what} …", flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout)
        sys.exit(f"{what} failed; its output is above.")


def _has_pip(python: Path) -> bool:
    """Return whether the environment is usable: creating it may have been interrupted, or its Python replaced."""
    check = [str(python), "-m", "pip", "--version"]
    return python.exists() and subprocess.run(check, capture_output=True, check=False).returncode == 0


def prepare(folder: Path) -> tuple[Path, bool]:
    """Install this checkout into the environment; return its Python, and whether anything was installed."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    stamp = folder / "installed"
    wanted = source_hash()
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python, False
    if not _has_pip(python):
        try:
            import ensurepip  # noqa: F401, PLC0415  # a package of its own in Debian
        except ImportError:
            name = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
            sys.exit(f"This Python cannot create environments. On Debian or Ubuntu run: sudo apt install {name}")
        step(f"Creating an environment in {folder}", [sys.executable, "-m", "venv", "--clear", str(folder)])
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    step("Installing the dependencies", [*pip, "--require-hashes", "-r", str(LOCK)])
    # The lock file holds the build back end as well, so that nothing is downloaded without a hash.
    step("Installing OpenCode Tray", [*pip, "--no-deps", "--no-build-isolation", "--force-reinstall", str(ROOT)])
    stamp.write_text(wanted, encoding="utf-8")
    return python, True


def show_help() -> int:
    """Print this script's help and that of `run`, without installing or writing anything."""
    print(__doc__.strip(), flush=True)
    print(f"The environment is created in {environment_folder()}, the command in ~/.local/bin.\n", flush=True)
    tray = [sys.executable, "-B", "-m", "tray"]  # from the checkout: its help needs only Python
    return subprocess.run([*tray, "run", "--help"], cwd=ROOT, check=False).returncode


def print_next_steps(python: Path) -> None:
    """Print what to do after the installation."""
    command = "opencode-tray" if shutil.which("opencode-tray") else str(python.with_name("opencode-tray"))
    print("OpenCode Tray is installed and starts now. Next steps:")
    print("  Start `opencode`. If it runs already, restart it once: it loads plugins only when it starts.")
    print(f"  In another terminal, `{command} status` lists the sessions; `{command} demo` shows simulated ones.")
    print(f"  Ctrl-C stops the tray. `{command} install` makes it start at login.", flush=True)


def main() -> int:
    """Install the program, the plugin and the command, and run the tray."""
    if sys.version_info < (3, 11):
        sys.exit(f"OpenCode Tray needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    if {"-h", "--help"} & set(sys.argv[1:]):
        return show_help()
    python, is_new = prepare(environment_folder())
    tray = [str(python), "-I", "-m", "tray"]  # isolated: the current folder may have a `tray` as well
    installed = subprocess.run([*tray, "install-plugin"], check=False).returncode
    if installed != 0:
        return installed
    if is_new:
        subprocess.run([*tray, "install-command"], check=False)  # it reports its errors; the tray runs without it
        print_next_steps(python)
    command = [*tray, "run", *sys.argv[1:]]
    if sys.platform != "win32":
        os.execv(command[0], command)  # noqa: S606  # this process becomes the tray, and so receives its signals
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:  # the tray receives it as well, and ends by itself
        return 0


if __name__ == "__main__":
    sys.exit(main())
