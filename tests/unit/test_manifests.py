"""The manifests of package managers name the archives of the release, with their checksums."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tray import __version__

HOME = "https://example.org/tray"


@pytest.fixture
def texts(tmp_path: Path, script: Callable[[str], ModuleType]) -> dict[str, str]:
    writer = script("write_manifests")
    for end in writer.ARCHIVES.values():
        (tmp_path / f"opencode-tray-{__version__}-{end}").write_text(end, encoding="utf-8")
    found: dict[str, str] = writer.manifests(tmp_path, HOME)
    return found


def checksum(end: str) -> str:
    return hashlib.sha256(end.encode()).hexdigest()


def test_each_manifest_has_the_version_and_only_checksums_of_the_archives(
    texts: dict[str, str], script: Callable[[str], ModuleType]
) -> None:
    known = {checksum(end) for end in script("write_manifests").ARCHIVES.values()}
    for name, text in texts.items():
        assert __version__ in text, name
        assert set(re.findall(r"\b[0-9a-f]{64}\b", text)) <= known, name
    assert known == set(re.findall(r"\b[0-9a-f]{64}\b", " ".join(texts.values())))


def test_the_manifest_of_scoop_is_json(texts: dict[str, str]) -> None:
    manifest = json.loads(texts["scoop.json"])
    archive = manifest["architecture"]["64bit"]
    assert archive["hash"] == checksum("windows-amd64.zip")
    assert archive["url"] == f"{HOME}/releases/download/v{__version__}/opencode-tray-{__version__}-windows-amd64.zip"


def test_the_manifests_of_winget_are_three_parts_of_one_package(texts: dict[str, str]) -> None:
    found = [text for name, text in texts.items() if name.startswith("winget")]
    parts = [dict(re.findall(r"^(\w+): (.+)$", text, re.MULTILINE)) for text in found]
    assert {part["ManifestType"] for part in parts} == {"version", "installer", "defaultLocale"}
    names = {(part["PackageIdentifier"], part["PackageVersion"]) for part in parts}
    assert names == {("OpenCodeTray.OpenCodeTray", __version__)}


@pytest.mark.skipif(shutil.which("bash") is None or sys.platform == "win32", reason="bash is not installed")
def test_the_build_file_of_arch_linux_is_read_by_bash(texts: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "PKGBUILD").write_text(texts["PKGBUILD"], encoding="utf-8")
    command = 'source ./PKGBUILD; echo "$pkgname $pkgver ${source_x86_64[0]}"; declare -f package >/dev/null'
    done = subprocess.run(["bash", "-euc", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    address = f"{HOME}/releases/download/v{__version__}/opencode-tray-{__version__}-linux-x86_64.tar.gz"
    assert done.stdout.strip() == f"opencode-tray-bin {__version__} {address}"


def test_a_missing_archive_is_an_error(tmp_path: Path, script: Callable[[str], ModuleType]) -> None:
    with pytest.raises(FileNotFoundError):
        script("write_manifests").manifests(tmp_path, HOME)


def test_the_notes_of_a_release_are_its_section_of_the_changelog(script: Callable[[str], ModuleType]) -> None:
    section = script("release_notes").section
    changelog = (
        "# Changelog\n\n## [Unreleased]\n\nNew\n\n## [1.0] - 2026-01-01\n\n### Added\n\n- One\n\n## [0.9]\n\nOld\n"
    )
    assert section(changelog, "1.0") == "### Added\n\n- One"
    assert section(changelog, "0.9") == "Old"
    assert section(changelog, "2.0") == ""


@pytest.mark.parametrize(
    ("number", "expected"), [("0.1.0", "0.1.0.0"), ("1.2.3rc1", "1.2.3.0"), ("1.2.dev3", "1.2.0.0")]
)
def test_the_setup_program_has_a_version_of_four_numbers(
    number: str, expected: str, script: Callable[[str], ModuleType]
) -> None:
    assert script("build_setup").file_version(number) == expected
