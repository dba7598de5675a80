"""Each package that users install is listed with its licence, which lets them use and pass on the program."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([a-z][\w.-]*) \| (\S+) \| (.+?) \| (\w+) \|$", re.MULTILINE)
LISTED = {
    name: (version, licence)
    for name, version, licence, _ in ROW.findall((ROOT / "docs/licences.md").read_text("utf-8"))
}
ALLOWED = {
    "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0",
}  # fmt: skip
LIBRARIES = {"LGPL-2.1-or-later", "LGPL-3.0-only"}  # allowed as long as they can be replaced in the bundle


@pytest.fixture
def licences(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("licences")


def test_the_page_lists_each_locked_package_with_its_version(licences: ModuleType) -> None:
    """Renew the table with packaging/licences.py."""
    assert {name: version for name, (version, _) in LISTED.items()} == {
        pin.name: pin.version for pin in licences.locked_packages()
    }


def test_the_table_says_what_the_installed_packages_say(licences: ModuleType) -> None:
    found = {each.name.lower().replace("_", "-"): each for each in metadata.distributions()}
    same = [name for name, (version, _) in LISTED.items() if name in found and found[name].version == version]
    assert same
    for name in same:
        assert licences.licence_of(found[name].metadata) == LISTED[name][1], name


@pytest.mark.parametrize("name", LISTED)
def test_each_licence_allows_to_use_and_to_pass_on_the_program(name: str) -> None:
    licence = LISTED[name][1]
    if licence in LIBRARIES:
        spec = (ROOT / "packaging/bundle/opencode-tray.spec").read_text(encoding="utf-8")
        module = {"python-xlib": "Xlib"}.get(name, name)
        assert f'"{module}": "pyc"' in spec, "it has to be replaceable in the bundle"
        return
    choices = [choice.strip(" ()") for choice in licence.split(" OR ")]
    assert any(set(choice.split(" AND ")) <= ALLOWED for choice in choices)
