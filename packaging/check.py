#!/usr/bin/env python3
"""Sets up everything that the tests need, and runs all of them. Exit code 0 only if every step succeeded.

Needs Python 3.11 or newer, and Node for the plugin. As root on Debian it installs the desktop that the tests look at.
The tests run against the built wheel, installed in an environment of its own outside the checkout.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "opencode-tray-tests"
OPENCODE_VERSIONS = ("1.18.33", "1.1.65", "1.0.185")  # the newest measured, last year's, and the oldest that is tested
DESKTOP_PACKAGES = (
    "xvfb",
    "xdotool",
    "dbus",
    "dbus-bin",
    "xfce4-panel",
    "xfce4-notifyd",
    "mate-notification-daemon",
    "notification-daemon",
    "x11-utils",
    "x11-xserver-utils",
    "libglib2.0-bin",
    "desktop-file-utils",
    "imagemagick",
    "adwaita-icon-theme",
    "librsvg2-common",
    "fonts-dejavu-core",
    "fonts-noto-color-emoji",
    "dunst",
    "trayer",
    "python3-gi",
    "gir1.2-gtk-3.0",
    "gir1.2-ayatanaappindicator3-0.1",
    "openbox",
    "lxqt-panel",
    "mate-panel",
    "xclip",
    "xterm",
    "ripgrep",
    "tmux",
    "git",
    "iproute2",
)
WORKERS = "2"  # tests at a time: each may be a desktop and several OpenCodes of 400 MB
STEPS = ("format", "lint", "types", "imports", "docs", "plugin", "tests")


def run(*command: str | Path, **environment: str) -> bool:
    """Run a command in the checkout, its output shown; whether it succeeded."""
    sys.stdout.flush()
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=ROOT, env={**os.environ, **environment}, check=False).returncode == 0


def quietly(what: str, *command: str | Path) -> bool:
    """Run a command; its output is shown only if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        print(f"{what} failed:\n{done.stdout}", flush=True)
    return done.returncode == 0


def desktop() -> bool:
    """Install what the desktop tests need, where that is possible; elsewhere say what is left out."""
    query = shutil.which("dpkg-query")
    if query is None:
        print("Not on Debian: tests of the real desktop are left out where its programs are missing.")
        return True
    missing = [name for name in DESKTOP_PACKAGES if not _is_installed(query, name)]
    if not missing:
        return True
    if sys.platform == "win32" or os.geteuid() != 0:
        print(f"Not root: tests that need these are left out: {' '.join(missing)}")
        return True
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    return quietly("apt-get update", "apt-get", "update") and quietly(
        "apt-get install", "apt-get", "install", "-y", "--no-install-recommends", *missing
    )


def _is_installed(query: str, name: str) -> bool:
    done = subprocess.run([query, "-W", "-f=${db:Status-Status}", name], capture_output=True, text=True, check=False)
    return done.stdout == "installed"


def opencode() -> bool:
    """Install the OpenCode versions that are tested, each in a folder of its own."""
    npm = shutil.which("npm")
    if npm is None:
        print("No npm: tests with the real OpenCode are left out.")
        return True

    def install(version: str) -> bool:
        folder = CACHE / "opencode" / version
        if (folder / "complete").exists():
            return True
        folder.mkdir(parents=True, exist_ok=True)
        command = (npm, "install", "--no-audit", "--no-fund", "--prefix", folder, f"opencode-ai@{version}")
        done = quietly(f"npm install opencode-ai@{version}", *command) or quietly("the second try", *command)
        if done:
            (folder / "complete").touch()
        return done

    with ThreadPoolExecutor() as pool:
        return all(pool.map(install, OPENCODE_VERSIONS))


def environment() -> Path | None:
    """Make the tests' environment, with the tools and the built wheel; returns its folder of programs."""
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = CACHE / f"venv-{wanted}"
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    python = programs / ("python.exe" if sys.platform == "win32" else "python")
    if not (folder / "complete").exists():
        made = (
            quietly("venv", sys.executable, "-m", "venv", "--clear", folder)
            and quietly("pip", python, "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1")
            and quietly(
                "pip install", python, "-m", "pip", "install", "--quiet", ROOT, "--group", "dev", "--group", "docs"
            )
        )
        if not made:
            return None
        (folder / "complete").touch()
    fresh = quietly("pip install .", python, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", ROOT)
    return programs if fresh else None


def steps(programs: Path, pytest_arguments: list[str]) -> dict[str, Callable[[], bool]]:
    """Each step and what it runs."""
    versions = {"OPENCODE_TEST_DIR": str(CACHE / "opencode")}
    return {
        "format": lambda: run(programs / "ruff", "format", "--check", "."),
        "lint": lambda: run(programs / "ruff", "check", "."),
        "types": lambda: _types(programs / "mypy"),
        "imports": lambda: run(programs / "lint-imports", "--no-logo", PYTHONPATH=str(ROOT)),
        "docs": lambda: _docs(programs / "mkdocs"),
        "plugin": _plugin,
        "tests": lambda: run(programs / "pytest", *pytest_arguments, **versions),
    }


def _types(mypy: Path) -> bool:
    results = [run(mypy, "--platform", platform) for platform in ("linux", "darwin", "win32")]
    return all(results)


def _docs(mkdocs: Path) -> bool:
    """Build the documentation; a warning is an error."""
    return run(mkdocs, "build", "--strict", "--quiet", "--site-dir", CACHE / "site", NO_MKDOCS_2_WARNING="1")


def _plugin() -> bool:
    node = shutil.which("node")
    if node is None:
        print("No node: the plugin's own tests cannot run; install Node 20 or newer.")
        return False
    return run(node, "--test", *sorted((ROOT / "plugin" / "test").glob("*.test.js")))


def main() -> int:
    """Set up, run the steps, sum up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=STEPS, metavar="STEP", help=f"of {', '.join(STEPS)}")
    parser.add_argument("--fast", action="store_true", help="neither the real desktop nor the real OpenCode")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    options = parser.parse_args()
    wanted = options.only or STEPS
    if sys.version_info < (3, 11):
        sys.exit(f"The tests need Python 3.11 or newer; this is {sys.version.split()[0]}.")
    begun = time.monotonic()
    print("Setting up …", flush=True)
    needs_world = "tests" in wanted and not options.fast
    if needs_world and not (desktop() and opencode()):
        return 1
    programs = environment()
    if programs is None:
        return 1
    print(f"Set up in {time.monotonic() - begun:.0f} s.", flush=True)
    arguments = [
        "-n",
        WORKERS,
        "--dist",
        "loadfile",
        *options.pytest,
        *(["-m", "not desktop and not opencode"] if options.fast else []),
    ]
    results: list[tuple[str, bool, float]] = []
    for name, work in steps(programs, arguments).items():
        if name in wanted:
            print(f"\n== {name}", flush=True)
            began = time.monotonic()
            results.append((name, work(), time.monotonic() - began))
    print("\n== summary")
    for name, ok, seconds in results:
        print(f"{'ok    ' if ok else 'FAILED'} {name:8} {seconds:6.1f} s")
    return 0 if all(ok for _, ok, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
