#!/usr/bin/env python3
"""The licences of the packages that the program needs.

    python packaging/licences.py    writes docs/licences.md, after a change of a lock file

Run it in an environment with requirements-dev.lock. Packages for other systems are downloaded for a look at them.
The bundle contains the texts of the licences: `bundled_files` and `system_files` are called by opencode-tray.spec.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from email import message_from_bytes
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from project import ROOT

PAGE = ROOT / "docs" / "licences.md"
LOCK, BUNDLE_LOCK = (ROOT / "packaging" / name for name in ("requirements.lock", "requirements-bundle.lock"))
EXTRA = "team"  # the extra that the bundle contains
FOLDER = "licences"  # in the bundle, with a folder for each package
SYSTEMS = {"linux": "Linux", "darwin": "macOS", "win32": "Windows"}
TEXT = re.compile(r"(licen[cs]e|copying|notice|authors)[^/]*(/|$)|edl-|epl-", re.IGNORECASE)
PIN = re.compile(r"^([\w.-]+)==(\S+)(?: ; (.*?))? \\$", re.MULTILINE)
SYSTEM = re.compile(r"sys_platform == '(\w+)'")
SAME_TEXT = {"pyobjc-core": "pyobjc-framework-cocoa"}  # one project; the first has no file with its licence
BEGIN, END = "<!-- written by packaging/licences.py -->\n", "<!-- end -->\n"
DOWNLOAD = {
    "darwin": ("--platform", "macosx_11_0_universal2", "--platform", "macosx_10_13_universal2", "--platform", "any"),
    "win32": ("--platform", "win_amd64"),
}
NAMES = {  # SPDX identifiers of what packages without a License-Expression say
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",  # the text in the package is 2.1
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


class Locked(NamedTuple):
    """A locked package."""

    name: str
    version: str
    system: str  # value of sys.platform; "": all


def locked_packages() -> list[Locked]:
    """Return what users install: requirements.lock, and what the extra of the bundle adds."""
    shipped = {pin.name: pin for pin in _pins(LOCK)}
    bundled = {pin.name: pin for pin in _pins(BUNDLE_LOCK)}
    names = {*shipped, *(name for name in _closure([EXTRA]) if name in bundled)}
    return [{**bundled, **shipped}[name] for name in sorted(names)]


def _pins(lock: Path) -> Iterator[Locked]:
    for name, version, marker in PIN.findall(lock.read_text(encoding="utf-8")):
        system = SYSTEM.search(marker)
        yield Locked(canonicalize_name(name), version, system[1] if system else "")


def licence_of(fields: Message) -> str:
    """Return the SPDX expression of a package's metadata, or what else it calls its licence."""
    if expression := fields.get("License-Expression"):
        return str(expression)
    classifiers = (each.rpartition(" :: ")[2] for each in fields.get_all("Classifier", ()) if "License ::" in each)
    said = next(classifiers, None) or str(fields.get("License", "")).split("\n")[0]
    return NAMES.get(said, said)


def write_page() -> None:
    """Write the table of the page. The text around it stays."""
    rows = ["| Package | Version | Licence | System |\n", "|---|---|---|---|\n"]
    with tempfile.TemporaryDirectory() as folder:
        for pin in locked_packages():
            licence = licence_of(_metadata(pin, Path(folder)))
            rows.append(f"| {pin.name} | {pin.version} | {licence} | {SYSTEMS.get(pin.system, 'all')} |\n")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + "".join(rows) + END + rest.partition(END)[2], encoding="utf-8")
    print(f"wrote {len(rows) - 2} packages to {PAGE.relative_to(ROOT)}")


def _metadata(pin: Locked, folder: Path) -> Message:
    """Return the metadata of a package, from this environment or from its wheel."""
    try:
        found = metadata.distribution(pin.name)
    except metadata.PackageNotFoundError:
        found = None
    if found is not None and found.version == pin.version:
        return message_from_bytes((found.read_text("METADATA") or "").encode())
    place = folder / pin.name
    options = ("--quiet", "--no-deps", "--only-binary", ":all:", "--python-version", "3.13", "--dest", str(place))
    platforms = DOWNLOAD.get(pin.system, ())
    wanted = f"{pin.name}=={pin.version}"
    subprocess.run([sys.executable, "-m", "pip", "download", *options, *platforms, wanted], check=True)
    (wheel,) = place.glob("*.whl")
    with ZipFile(wheel) as archive:
        name = next(each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


# ---------------------------------------------------------------------- the bundle


def bundled_files() -> list[tuple[str, str]]:
    """Return the texts of the licences of this environment's packages, and of Python: source and folder in the bundle.

    Exits if one is missing: it has to be distributed with the package.
    """
    files = [(_licence_of_python(), f"{FOLDER}/python")]
    for name in sorted({*_closure([EXTRA]), "pyinstaller"}):
        texts = list(_texts(name)) or list(_texts(SAME_TEXT.get(name, "")))
        if not texts:
            sys.exit(f"{name} contains no text of its licence; add it to packaging/licences.py")
        files += [(str(text), f"{FOLDER}/{name}") for text in texts]
    return files


def system_files(libraries: Iterable[str]) -> list[tuple[str, str]]:
    """Return the copyright files of the Debian packages that contain these libraries: source and folder."""
    found = {_debian_package(path) for path in libraries if path.startswith(("/usr/lib/", "/lib/"))} - {""}
    files = ((Path("/usr/share/doc") / name / "copyright", f"{FOLDER}/{name}") for name in sorted(found))
    return [(str(file), folder) for file, folder in files if file.exists()]


def _debian_package(library: str) -> str:
    """Return the package that installed a file; "" if none did. It may know /usr/lib by its old name, /lib."""
    real = str(Path(library).resolve())
    for path in (real, real.removeprefix("/usr"), library):
        try:
            done = subprocess.run(["dpkg-query", "--search", path], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return ""
        if done.returncode == 0:
            return done.stdout.partition(":")[0]
    return ""


def _licence_of_python() -> str:
    places = (Path(sysconfig.get_path("stdlib")), Path(sys.base_prefix))
    found = next((place / "LICENSE.txt" for place in places if (place / "LICENSE.txt").exists()), None)
    debian = Path(f"/usr/share/doc/python{sys.version_info[0]}.{sys.version_info[1]}/copyright")
    if found is None and not debian.exists():
        sys.exit("this Python has no text of its licence, which the bundle has to contain")
    return str(found or debian)


def _texts(name: str) -> Iterator[Path]:
    """Yield the files of an installed package that contain its licence."""
    try:
        files = metadata.distribution(name).files or ()
    except (metadata.PackageNotFoundError, ValueError):
        return
    for file in files:
        if ".dist-info/" in str(file) and TEXT.search(str(file).partition("/")[2]):
            yield Path(str(file.locate()))


def _closure(extras: Iterable[str]) -> set[str]:
    """Return the packages that the project needs on this system, with these extras: those that are installed."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    wanted = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    found: set[str] = set()
    while wanted:
        requirement = Requirement(wanted.pop())
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        wanted += metadata.distribution(name).requires or ()
    return found


if __name__ == "__main__":
    write_page()
