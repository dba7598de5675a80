"""The lock files satisfy pyproject.toml. Renew them with packaging/lock.py."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DEPENDENCIES = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
EXTRAS = [Requirement(line) for lines in PROJECT["project"]["optional-dependencies"].values() for line in lines]
GROUPS: dict[str, list[Any]] = PROJECT["dependency-groups"]
APART = ("lock", "bundle", "audit")  # groups that requirements-dev.lock leaves out
LOCKS = tuple(f"requirements{name}.lock" for name in ("", "-dev", "-bundle", "-audit", "-lowest"))


def group(name: str) -> list[Requirement]:
    """Return the requirements of a dependency group, without those of the groups that it includes."""
    return [Requirement(item) for item in GROUPS[name] if isinstance(item, str)]


def entries(lock: str) -> list[str]:
    text = (ROOT / "packaging" / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def versions(lock: str) -> dict[str, list[Version]]:
    """Return the locked versions by name; several if they differ between platforms or Python versions."""
    found: dict[str, list[Version]] = {}
    for entry in entries(lock):
        requirement = Requirement(entry.split(" --hash")[0])
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        found.setdefault(canonicalize_name(requirement.name), []).append(Version(pin.version))
    return found


def assert_satisfied(lock: str, requirements: list[Requirement]) -> None:
    locked = versions(lock)
    for requirement in requirements:
        pins = locked.get(canonicalize_name(requirement.name), [])
        assert pins, f"{lock} lacks {requirement}; run: python packaging/lock.py"
        assert all(pin in requirement.specifier for pin in pins), f"{lock} is older than {requirement}"


def test_the_locks_satisfy_the_ranges() -> None:
    build = group("build")
    assert_satisfied("requirements.lock", [*DEPENDENCIES, *build])
    every_group = [requirement for name in GROUPS if name not in APART for requirement in group(name)]
    assert_satisfied("requirements-dev.lock", [*DEPENDENCIES, *EXTRAS, *every_group])
    assert_satisfied("requirements-bundle.lock", [*DEPENDENCIES, *build, *group("bundle")])
    assert_satisfied("requirements-audit.lock", group("audit"))
    assert_satisfied("requirements-lowest.lock", [*DEPENDENCIES, *EXTRAS, *build, *group("test")])


def test_users_and_ci_get_the_same_versions() -> None:
    shipped = versions("requirements.lock")
    for other in ("requirements-dev.lock", "requirements-bundle.lock"):
        locked = versions(other)
        assert all(locked[name] == pins for name, pins in shipped.items()), other


def test_the_lowest_lock_holds_the_lower_bound_of_each_dependency() -> None:
    lowest = versions("requirements-lowest.lock")
    for requirement in DEPENDENCIES:
        (bound,) = (Version(part.version) for part in requirement.specifier if part.operator == ">=")
        assert lowest[canonicalize_name(requirement.name)] == [bound], requirement


def test_the_build_group_is_what_the_build_system_requires() -> None:
    assert GROUPS["build"] == PROJECT["build-system"]["requires"]


@pytest.mark.parametrize("lock", LOCKS)
def test_each_entry_has_a_hash_and_no_entry_names_a_registry(lock: str) -> None:
    assert all(" --hash=sha256:" in entry for entry in entries(lock))
    text = (ROOT / "packaging" / lock).read_text(encoding="utf-8")
    assert re.search(r"://|--(extra-)?index|--find-links", text) is None
