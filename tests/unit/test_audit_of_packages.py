"""The look-up of known vulnerabilities claims success only for packages that were looked up."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType

import pytest

WANTED = {"aiohttp": "3.14.5", "attrs": "26.1.0"}


@pytest.fixture
def audit(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("audit")


def printed(*dependencies: object) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_a_package_that_the_service_does_not_know_was_not_looked_up(audit: ModuleType) -> None:
    """pip-audit 2.10 prints "No known vulnerabilities found" and ends with success then."""
    skipped = {"name": "aiohttp", "skip_reason": "Dependency not found on PyPI and could not be audited"}
    safe = {"name": "attrs", "version": "26.1.0", "vulns": []}
    assert audit.read_pip_audit(printed(skipped, safe), WANTED) == (1, (), ("aiohttp 3.14.5",))


def test_a_vulnerable_package_is_named(audit: ModuleType) -> None:
    found = [{"name": name, "version": version, "vulns": []} for name, version in WANTED.items()]
    found[0] = {**found[0], "vulns": [{"id": "PYSEC-2026-1"}]}
    assert audit.read_pip_audit(printed(*found), WANTED) == (2, ("aiohttp 3.14.5: PYSEC-2026-1",), ())


@pytest.mark.parametrize("output", ["", "Traceback", "[]", "{}"])
def test_a_service_that_cannot_be_asked_is_no_success(audit: ModuleType, output: str) -> None:
    assert audit.read_pip_audit(output, WANTED).unknown
    assert audit.read_npm_audit(output).unknown


def test_what_npm_says_of_the_plugins_tools(audit: ModuleType) -> None:
    refused = {"message": "405 Method Not Allowed", "error": {"summary": ""}}
    assert audit.read_npm_audit(json.dumps(refused)).unknown
    found = {"vulnerabilities": {"esbuild": {"severity": "high"}}, "metadata": {"dependencies": {"total": 40}}}
    assert audit.read_npm_audit(json.dumps(found)) == (40, ("esbuild: high",), ())


def test_the_versions_for_all_systems_are_looked_up(audit: ModuleType) -> None:
    lock = 'a==1 ; sys_platform == "win32" \\\n    --hash=sha256:0\na==2 ; sys_platform != "win32" \\\nb==3 \\\n'
    assert list(audit.layers(lock)) == [{"a": "1", "b": "3"}, {"a": "2"}]
