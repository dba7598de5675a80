#!/usr/bin/env python3
"""Write the manifests of package managers for the files of a release: Homebrew, Scoop, winget, AUR.

    python packaging/write_manifests.py FILES HOME --output FOLDER

FILES is the folder with the archives that build_packages.py wrote on each platform, HOME the address of the repository
on GitHub. The manifests contain the checksums of the archives. A missing archive is an error.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from string import Template

from project import ROOT, version

TEMPLATES = ROOT / "packaging" / "manifests"
ARCHIVES = {  # variable of the templates -> end of the archive's name
    "linux_x86_64": "linux-x86_64.tar.gz",
    "linux_aarch64": "linux-aarch64.tar.gz",
    "macos_arm64": "macos-arm64.zip",
    "macos_x86_64": "macos-x86_64.zip",
    "windows_amd64": "windows-amd64.zip",
}


def manifests(files: Path, home: str) -> dict[str, str]:
    """Return the text of each manifest by its file name. Raises FileNotFoundError."""
    number = version()
    values = {"version": number, "home": home, "download": f"{home}/releases/download/v{number}"}
    for name, end in ARCHIVES.items():
        values[name] = hashlib.sha256((files / f"opencode-tray-{number}-{end}").read_bytes()).hexdigest()
    return {
        path.name: Template(path.read_text(encoding="utf-8")).substitute(values) for path in sorted(TEMPLATES.iterdir())
    }


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path)
    parser.add_argument("home")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for name, text in manifests(options.files, options.home.rstrip("/")).items():
        (options.output / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
