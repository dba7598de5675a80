#!/usr/bin/env python3
"""Build the setup program for Windows from its bundle, on Linux: Debian's NSIS makes it a program of 64 bits.

    python packaging/build_setup.py ARCHIVE --output FOLDER

ARCHIVE is the `.zip` that build_packages.py writes on Windows. Needs Pillow, and makensis (Debian's package `nsis`).
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from project import ROOT, version

RECIPE = ROOT / "packaging/bundle/opencode-tray.nsi"


def build_setup(archive: Path, output: Path) -> Path:
    """Write the setup program into a folder and return its path. Raises OSError, and CalledProcessError of makensis."""
    setup = output.resolve() / f"{archive.stem}-setup.exe"
    with tempfile.TemporaryDirectory() as work:
        shutil.unpack_archive(archive, work)
        values = {
            "VERSION": version(),
            "NUMBER": file_version(version()),
            "BUNDLE": Path(work) / "opencode-tray",
            "ICON": ROOT / "assets/opencode-tray.ico",
            "LICENSE": ROOT / "LICENSE",
            "OUTPUT": setup,
        }
        defined = [f"-D{name}={value}" for name, value in values.items()]
        subprocess.run(["makensis", "-V2", "-WX", "-INPUTCHARSET", "UTF8", *defined, RECIPE], check=True)
    return setup


def file_version(number: str) -> str:
    """Return a version as the properties of a Windows file have it: four numbers."""
    release = re.findall(r"\d+", re.split(r"[a-z+-]", number)[0])
    return ".".join([*release, "0", "0", "0"][:4])


def main() -> None:
    """Build it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    setup = build_setup(options.archive, options.output)
    print(f"{setup.stat().st_size / 1e6:6.1f} MB  {setup.name}")


if __name__ == "__main__":
    main()
