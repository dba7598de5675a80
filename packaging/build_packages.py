#!/usr/bin/env python3
"""Build the bundle, which needs no Python, and the packages of this platform that contain it.

| platform | result |
|---|---|
| Linux | `.tar.gz`, `.deb`, `.rpm` |
| Windows | `.zip`, from which build_setup.py makes the setup program |
| macOS | `.zip` with the `.app` |

Run it with the Python of an environment that contains packaging/requirements-bundle.lock. A bundle runs only on
systems with the C library of this one, or a newer one.
"""

from __future__ import annotations

import argparse
import gzip
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from project import ROOT, version

HERE = ROOT / "packaging" / "bundle"
PROGRAMS = Path(sys.executable).parent
DEBIAN_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # by machine name
COMPLETIONS = {  # by shell: where its completions are looked for, under /usr/share
    "bash": "bash-completion/completions/opencode-tray",
    "zsh": "zsh/site-functions/_opencode-tray",
    "fish": "fish/vendor_completions.d/opencode-tray.fish",
}
GLIBC_SYMBOL = re.compile(rb"GLIBC_(\d+)\.(\d+)")


def run(*command: str | Path, **environment: str) -> None:
    """Run a command that finds the modules of the checkout. Raises CalledProcessError."""
    words = [str(word) for word in command]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))  # wine_setup.py names a folder
    subprocess.run(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": path, **environment}, check=True)


def build_bundle(work: Path) -> Path:
    """Build the bundle with PyInstaller; return its folder, or on macOS the `.app`."""
    output = work / "bundle"
    options = ("--noconfirm", "--log-level", "WARN", "--distpath", output, "--workpath", work / "pyinstaller")
    run(sys.executable, "-m", "PyInstaller", *options, HERE / "opencode-tray.spec")
    return output / ("OpenCode Tray.app" if sys.platform == "darwin" else "opencode-tray")


def needed_glibc(bundle: Path) -> str:
    """Return the lowest version of the C library that has all symbols that the bundle needs."""
    files = [file for file in bundle.rglob("*") if file.is_file() and (".so" in file.name or file.suffix == "")]
    found = {tuple(map(int, match)) for file in files for match in GLIBC_SYMBOL.findall(file.read_bytes())}
    return ".".join(map(str, max(found)))


def write_share(folder: Path) -> None:
    """Write what belongs into /usr/share and comes from the parser of the command line: man page and completions."""
    manual = folder / "man/man1/opencode-tray.1.gz"
    manual.parent.mkdir(parents=True)
    parser = ("--module", "tray.cli.parser", "--function", "make_parser")
    about = ("--project-name", "opencode-tray", "--manual-title", "OpenCode Tray", "--version", version())
    page = folder.parent / "opencode-tray.1"
    run(PROGRAMS / "argparse-manpage", *parser, *about, "--output", page)
    manual.write_bytes(gzip.compress(page.read_bytes(), mtime=0))
    for shell, place in COMPLETIONS.items():
        (folder / place).parent.mkdir(parents=True)
        run(PROGRAMS / "shtab", f"--shell={shell}", "--error-unimportable", "--output", folder / place,
            "tray.cli.parser.make_parser")  # fmt: skip


def build_linux(bundle: Path, work: Path, output: Path) -> None:
    """Write the archive and the packages for package managers."""
    share = work / "share"
    shutil.rmtree(share, ignore_errors=True)
    write_share(share)
    machine = platform.machine()
    name = f"opencode-tray-{version()}"
    with tarfile.open(output / f"{name}-linux-{machine}.tar.gz", "w:gz") as archive:
        archive.add(bundle, name)
        archive.add(share, f"{name}/share")
        archive.add(HERE / "opencode-tray.desktop", f"{name}/share/applications/opencode-tray.desktop")
        archive.add(ROOT / "LICENSE", f"{name}/LICENSE")
    variables = {
        "PACKAGE_VERSION": version(),
        "PACKAGE_ARCH": DEBIAN_ARCHITECTURES.get(machine, machine),
        "GLIBC": needed_glibc(bundle),
        "BUNDLE": str(bundle),
        "SHARE": str(share),
    }
    for kind in ("deb", "rpm"):
        run(PROGRAMS / "nfpm", "package", "--config", HERE / "nfpm.yaml", "--packager", kind, "--target", output,
            **variables)  # fmt: skip


def build_archive(bundle: Path, output: Path) -> None:
    """Write the archive of another platform, with its folder inside."""
    system = "macos" if sys.platform == "darwin" else "windows"
    name = f"opencode-tray-{version()}-{system}-{platform.machine().lower()}"
    if sys.platform == "darwin":  # a zip of Python's own would lose the links in the app
        run("ditto", "-c", "-k", "--keepParent", bundle, output / f"{name}.zip")
    else:
        shutil.make_archive(str(output / name), "zip", bundle.parent, bundle.name)


def main() -> None:
    """Build everything for this platform."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder for the packages (default: dist)")
    parser.add_argument("--work", type=Path, default=ROOT / "build", help="folder for what is left (default: build)")
    options = parser.parse_args()
    output, work = options.output.resolve(), options.work.resolve()
    output.mkdir(parents=True, exist_ok=True)
    for old in output.glob("opencode-tray*"):
        old.unlink()
    bundle = build_bundle(work)
    if sys.platform == "linux":
        build_linux(bundle, work, output)
    else:
        build_archive(bundle, output)
    for file in sorted(output.iterdir()):
        print(f"{file.stat().st_size / 1e6:6.1f} MB  {file.name}")


if __name__ == "__main__":
    main()
